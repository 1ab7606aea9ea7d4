"""The marks that the figures share: curves, the paper's curves, crosses, ticks, legends."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from dig_bench.render.style import LIGHT, PAPER, Look
from dig_bench.render.text import plain

# Small, so that the lettering stays legible at a phone's width.
_SIZE_INCHES = (4.8, 4.4)
_DOUBTFUL = ("noisy", "throttled")
_PLAIN = FuncFormatter(lambda value, _: f"{value:.10g}")

Transform = Callable[[pd.Series], pd.Series]


def canvas(title: str, *, xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    return figure, figure.add_subplot(title=title, xlabel=xlabel, ylabel=ylabel)


def curves(axes: Axes, points: pd.DataFrame, look: Look, *, x: str, to_y: Transform = lambda values: values) -> None:
    """A line per name through its measured points; hollow markers are noisy or throttled."""
    for name in look.order(points):
        curve = points[(points["name"] == name) & points["value"].notna()].sort_values(x)
        if curve.empty:
            continue
        looks, value = look.of(curve), to_y(curve["value"])
        doubtful = curve["status"].isin(_DOUBTFUL).to_numpy()
        axes.plot(curve[x], value, **looks, markevery=list(np.flatnonzero(~doubtful)), zorder=3)
        hollow = looks | {"linestyle": "none", "markerfacecolor": LIGHT["surface"]}
        axes.plot(curve[x][doubtful], value[doubtful], **hollow, zorder=4)
        if "low" in curve:
            ends = np.array([value - to_y(curve["low"]), to_y(curve["high"]) - value])
            axes.errorbar(
                curve[x],
                value,
                ends.clip(min=0),
                color=looks["color"],
                linestyle="none",
                capsize=2,
                elinewidth=1,
                zorder=4,
            )
        if "p05" in curve:
            band = to_y(curve["p05"]), to_y(curve["p95"])
            axes.fill_between(curve[x], *band, color=looks["color"], alpha=0.15, linewidth=0, zorder=2)


def published_curves(
    axes: Axes, published: pd.DataFrame, look: Look, *, x: str, to_y: Transform = lambda values: values
) -> None:
    """The paper's points (`label, family, backend, value`), dashed, behind the measured ones."""
    for _, curve in published.dropna(subset="value").sort_values(x).groupby("label"):
        axes.plot(curve[x], to_y(curve["value"]), **(look.of(curve) | PAPER), zorder=1)


def crosses(axes: Axes, points: pd.DataFrame, look: Look, *, at_top: bool) -> bool:
    """A cross at the first resolution at which a curve (by `label`) is out of memory, at the edge it ran off: speeds at
    the bottom, memory at the top. Crosses of one resolution are stacked and named. Returns whether there are any."""
    ends = points[points["status"] == "oom"].sort_values("resolution_px").drop_duplicates("label")
    for _, column in ends.groupby("resolution_px"):
        for level, label in enumerate(column["label"]):
            curve = column[column["label"] == label]
            color, place = look.of(curve)["color"], 0.04 + 0.065 * level
            at = (curve["resolution_px"].iloc[0], 1 - place if at_top else place)
            axes.plot(*at, "x", color=color, transform=axes.get_xaxis_transform(), clip_on=False, zorder=5, mew=1.8)
            axes.annotate(
                plain(label, 24),
                at,
                xycoords=axes.get_xaxis_transform(),
                xytext=(-6, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=7,
                bbox={"facecolor": LIGHT["surface"], "edgecolor": "none", "pad": 1},
            )
    if len(ends):
        bottom, top = axes.get_ylim()
        room = 0.13 * (top - bottom)
        axes.set_ylim(bottom if at_top else bottom - room, top + room if at_top else top)
    return len(ends) > 0


def resolution_ticks(axes: Axes, points: pd.DataFrame) -> None:
    """Ticks where there are cells, and room for all of them, measured or not."""
    places = sorted(points["resolution_px"].unique())
    margin = 0.06 * ((places[-1] - places[0]) or places[0])
    axes.set_xlim(places[0] - margin, places[-1] + margin)
    axes.set_xticks(places[:: math.ceil(len(places) / 10)])
    axes.xaxis.set_major_formatter(_PLAIN)


def logarithmic(axes: Axes, *, axis: Literal["x", "y"] = "y") -> None:
    """A logarithmic axis that is labelled with plain numbers."""
    getattr(axes, f"set_{axis}scale")("log")
    scale = axes.xaxis if axis == "x" else axes.yaxis
    scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
    scale.set_major_formatter(_PLAIN)
    scale.set_minor_formatter(NullFormatter())


def exponential_scale(axes: Axes, label: str) -> None:
    """On the right, in plain numbers, what the y axis shows the natural logarithm of."""
    right = axes.secondary_yaxis("right", functions=(_exp, _log))
    right.set_yscale("log")
    right.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    right.yaxis.set_major_formatter(_PLAIN)
    right.yaxis.set_minor_formatter(NullFormatter())
    right.set_ylabel(label)


def bars(axes: Axes, values: pd.DataFrame, names: Sequence[str], looks: Sequence[Mapping[str, Any]]) -> None:
    """A horizontal bar a row of `values`, the first on top; each of its columns is a part of it, in its look."""
    left = values.cumsum(axis=1).shift(axis=1, fill_value=0)
    for part, look in zip(values, looks, strict=True):
        axes.barh(range(len(values)), values[part], left=left[part], height=0.62, **look)
    rows(axes, names)
    # A single one should not fill the figure.
    axes.set_ylim(max(len(values), 3) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6))


def rows(axes: Axes, names: Sequence[str]) -> None:
    """Named rows at 0, 1, ..., from top to bottom."""
    axes.set_yticks(range(len(names)), [plain(name, 22) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def fading_bars(axes: Axes, values: pd.DataFrame, colors: Sequence[str]) -> None:
    """A horizontal bar a row of `values`, in its colour; its columns fade from left to right."""
    fading = np.linspace(1, 0.25, len(values.columns))
    bars(axes, values, list(map(str, values.index)), [{"color": colors, "alpha": alpha} for alpha in fading])
    axes.grid(visible=False)
    shades = [Patch(color=LIGHT["muted"], alpha=alpha, label=part) for part, alpha in zip(values, fading, strict=True)]
    axes.figure.legend(handles=shades, loc="outside lower left", ncols=len(shades))


def legend(
    figure: Figure,
    points: pd.DataFrame,
    look: Look,
    published: pd.DataFrame | None = None,
    *,
    has_crosses: bool = False,
) -> None:
    """Below the axes: an entry a name that has a mark, then the paper's, then what the markers mean."""
    # What was not measured, being unsupported here say, is in the table below the drawing.
    marked = points[points["value"].notna() | (points["status"] == "oom")]
    entries = [
        Line2D([], [], label=plain(name, 28), **look.of(marked[marked["name"] == name])) for name in look.order(marked)
    ]
    if published is not None:
        for label, curve in published.groupby("label"):
            entries.append(Line2D([], [], label=label, **(look.of(curve) | PAPER)))
    signs: dict[str, Any] = {"color": LIGHT["ink"], "linestyle": "none"}
    if has_crosses:
        entries.append(Line2D([], [], label="out of memory", marker="x", **signs))
    if points["status"].isin(_DOUBTFUL).any():
        hollow: dict[str, Any] = {"marker": "o", "markerfacecolor": LIGHT["surface"]}
        entries.append(Line2D([], [], label="noisy or throttled", **hollow, **signs))
    longest = max((len(str(entry.get_label())) for entry in entries), default=0)
    figure.legend(
        handles=entries, loc="outside lower left", ncols=3 if longest <= 16 else 2, handlelength=2.8, columnspacing=1.3
    )


def _exp(values: ArrayLike) -> ArrayLike:
    # Absurd speeds make an absurd axis, but a finite one.
    return np.exp(np.clip(values, -700, 700))


def _log(values: ArrayLike) -> ArrayLike:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(values)
