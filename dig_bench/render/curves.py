"""Curves of measured points, the paper's curves behind them, and the crosses where a curve runs out of memory.

Points are a data frame with `name, family, backend, status, value`, a column for x, and optionally the interval
`low, high` and the range `p05, p95`. `value` is missing where nothing was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dig_bench.render.style import LIGHT, PAPER, Look
from dig_bench.render.text import plain

_DOUBTFUL = ("noisy", "throttled")

Transform = Callable[[pd.Series], pd.Series]


def _unchanged(values: pd.Series) -> pd.Series:
    return values


def draw_curves(axes: Axes, points: pd.DataFrame, look: Look, *, x: str, to_y: Transform = _unchanged) -> None:
    """Draws a line per name through its measured points. Hollow markers are noisy or throttled."""
    for name in look.order(points):
        curve = points[(points["name"] == name) & points["value"].notna()].sort_values(x)
        if curve.empty:
            continue
        looks, value = look.of(curve), to_y(curve["value"])
        doubtful = curve["status"].isin(_DOUBTFUL).to_numpy()
        axes.plot(curve[x], value, **looks, markevery=list(np.flatnonzero(~doubtful)), zorder=3)
        hollow = looks | {"linestyle": "none", "markerfacecolor": LIGHT["surface"]}
        axes.plot(curve[x][doubtful], value[doubtful], **hollow, zorder=4)
        _spread(axes, curve, x=x, to_y=to_y, color=looks["color"])


def draw_published(axes: Axes, published: pd.DataFrame, look: Look, *, x: str, to_y: Transform = _unchanged) -> None:
    """Draws the paper's points (`label, family, backend, value`), dashed, behind the measured ones."""
    for _, curve in published.dropna(subset="value").sort_values(x).groupby("label"):
        axes.plot(curve[x], to_y(curve["value"]), **(look.of(curve) | PAPER), zorder=1)


def draw_crosses(axes: Axes, points: pd.DataFrame, look: Look, *, at_top: bool) -> bool:
    """Draws a named cross at the first resolution at which a curve (by `label`) is out of memory.

    Crosses stand at the edge that the curve leaves by: the bottom for speeds, the top for memory. Crosses at one
    resolution are stacked. Returns whether there are any.
    """
    ends = points[points["status"] == "oom"].sort_values("resolution_px").drop_duplicates("label")
    for px, column in ends.groupby("resolution_px"):
        for level, label in enumerate(column["label"]):
            color, place = look.of(column[column["label"] == label])["color"], 0.04 + 0.065 * level
            at = (float(px), 1 - place if at_top else place)  # type: ignore[arg-type]
            _cross(axes, at, plain(label, 24), color)
    if len(ends):
        bottom, top = axes.get_ylim()
        room = 0.13 * (top - bottom)
        axes.set_ylim(bottom if at_top else bottom - room, top + room if at_top else top)
    return len(ends) > 0


def draw_legend(
    figure: Figure,
    points: pd.DataFrame,
    look: Look,
    published: pd.DataFrame | None = None,
    *,
    has_crosses: bool = False,
) -> None:
    """Adds a legend below the axes: each name that has a mark, the paper's curves, then the meaning of the markers."""
    # Names without a mark, such as unsupported backends, are in the table below the figure.
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


def _spread(axes: Axes, curve: pd.DataFrame, *, x: str, to_y: Transform, color: str) -> None:
    """Draws the interval of each point and the range of single iterations, where the points have them."""
    if "low" in curve:
        value = to_y(curve["value"])
        ends = np.array([value - to_y(curve["low"]), to_y(curve["high"]) - value]).clip(min=0)
        axes.errorbar(curve[x], value, ends, color=color, linestyle="none", capsize=2, elinewidth=1, zorder=4)
    if "p05" in curve:
        band = to_y(curve["p05"]), to_y(curve["p95"])
        axes.fill_between(curve[x], *band, color=color, alpha=0.15, linewidth=0, zorder=2)


def _cross(axes: Axes, at: tuple[float, float], label: str, color: str) -> None:
    """Draws a cross at (resolution, share of the axes' height) with its label on the left."""
    on_axes = axes.get_xaxis_transform()
    axes.plot(*at, "x", color=color, transform=on_axes, clip_on=False, zorder=5, mew=1.8)
    axes.annotate(
        label,
        at,
        xycoords=on_axes,
        xytext=(-6, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=7,
        bbox={"facecolor": LIGHT["surface"], "edgecolor": "none", "pad": 1},
    )
