"""Figures and axes: size, ticks, scales, bars, named rows."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from dig_bench.render.style import LIGHT
from dig_bench.render.text import plain

# Small, so that the lettering stays legible at a phone's width.
_SIZE_INCHES = (4.8, 4.4)
_TITLE_CHARACTERS = 44
_PLAIN = FuncFormatter(lambda value, _: f"{value:.10g}")


def canvas(title: str, *, xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    """Returns a figure of the usual size and its only axes. A long title is broken into lines."""
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    lines = textwrap.fill(plain(title, 160), _TITLE_CHARACTERS)
    return figure, figure.add_subplot(title=lines, xlabel=xlabel, ylabel=ylabel)


def resolution_ticks(axes: Axes, points: pd.DataFrame) -> None:
    """Sets ticks at the points' resolutions, measured or not, and limits that hold all of them."""
    places = sorted(points["resolution_px"].unique())
    margin = 0.06 * ((places[-1] - places[0]) or places[0])
    axes.set_xlim(places[0] - margin, places[-1] + margin)
    axes.set_xticks(places[:: math.ceil(len(places) / 10)])
    axes.xaxis.set_major_formatter(_PLAIN)


def logarithmic(axes: Axes, *, axis: Literal["x", "y"] = "y") -> None:
    """Makes an axis logarithmic, labelled with plain numbers."""
    getattr(axes, f"set_{axis}scale")("log")
    scale = axes.xaxis if axis == "x" else axes.yaxis
    scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
    scale.set_major_formatter(_PLAIN)
    scale.set_minor_formatter(NullFormatter())


def exponential_scale(axes: Axes, label: str) -> None:
    """Adds a scale on the right for a y axis that shows natural logarithms: the plain numbers."""
    right = axes.secondary_yaxis("right", functions=(_exp, _log))
    right.set_yscale("log")
    right.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    right.yaxis.set_major_formatter(_PLAIN)
    right.yaxis.set_minor_formatter(NullFormatter())
    right.set_ylabel(label)


def bars(axes: Axes, values: pd.DataFrame, names: Sequence[str], looks: Sequence[Mapping[str, Any]]) -> None:
    """Draws a stacked horizontal bar for each row of `values`, the first on top; `looks` has an entry per column."""
    left = values.cumsum(axis=1).shift(axis=1, fill_value=0)
    for part, look in zip(values, looks, strict=True):
        axes.barh(range(len(values)), values[part], left=left[part], height=0.62, **look)
    rows(axes, names)
    # A single bar should not fill the figure.
    axes.set_ylim(max(len(values), 3) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6))


def rows(axes: Axes, names: Sequence[str]) -> None:
    """Labels rows at 0, 1, ..., from top to bottom."""
    axes.set_yticks(range(len(names)), [plain(name, 22) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def fading_bars(axes: Axes, values: pd.DataFrame, colors: Sequence[str]) -> None:
    """Draws a stacked horizontal bar for each row of `values` in its colour; its columns fade from left to right."""
    fading = np.linspace(1, 0.25, len(values.columns))
    bars(axes, values, list(map(str, values.index)), [{"color": colors, "alpha": alpha} for alpha in fading])
    axes.grid(visible=False)
    shades = [Patch(color=LIGHT["muted"], alpha=alpha, label=part) for part, alpha in zip(values, fading, strict=True)]
    axes.figure.legend(handles=shades, loc="outside lower left", ncols=len(shades))


def _exp(values: ArrayLike) -> ArrayLike:
    # Absurd speeds give an absurd axis, but a finite one.
    return np.exp(np.clip(values, -700, 700))


def _log(values: ArrayLike) -> ArrayLike:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(values)
