"""Crossovers: the resolutions at which a model and the baseline are equally fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dig_bench.render import drawing
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC, Look
from dig_bench.render.text import plain
from dig_bench.report import growth, tables
from dig_bench.report.baseline import baseline_of
from dig_bench.report.figures import RESOLUTION, Context
from dig_bench.report.panels import Panel
from dig_bench.results.scaling import Crossing

Found = Mapping[str, Sequence[Crossing]]
"""Crossovers by the model's name."""


def draw(panel: Panel, context: Context) -> list[Plot]:
    """Returns the figure where models were measured beside the baseline at two resolutions or more."""
    baseline = baseline_of(panel.rows, context.baseline)
    if baseline is None:
        return []
    ratios = tables.speedup(panel.rows, baseline)
    others = ratios[(ratios["name"] != baseline) & ratios["value"].notna()]
    if others["resolution_px"].nunique() < 2:
        return []
    found = {name: growth.crossovers(others, name) for name in others["name"].unique()}
    return [_crossovers(panel, others, found, baseline, context.look)]


@matplotlib.rc_context(RC)
def _crossovers(panel: Panel, points: pd.DataFrame, found: Found, baseline: str, look: Look) -> Plot:
    """`points` are ratios of speeds. A line per model, thick where it is faster than the baseline."""
    order = look.order(points)
    figure, axes = drawing.canvas(panel.label, xlabel=RESOLUTION, ylabel="")
    texts = {}
    for place, model in enumerate(order):
        curve = points[points["name"] == model].sort_values("resolution_px")
        _line(axes, place, curve, found[model], color=look.color(curve["family"].iloc[0]))
        texts[model] = _texts(curve, found[model])
    drawing.resolution_ticks(axes, points)
    drawing.rows(axes, order)
    _legend(figure, baseline)
    table = pd.DataFrame({"crossover": pd.Series(texts).map("; ".join)}).rename_axis("model")
    return Plot(
        topic="crossover",
        name=f"crossovers-{panel.slug}",
        title=f"Crossovers with {baseline}",
        conditions=panel.label,
        unit="px",
        caption=(
            "Crossovers are interpolated on a straight line between the two nearest measured resolutions, both axes "
            "logarithmic. Their intervals follow from the intervals of both medians; the curvature between the two "
            "resolutions is not included."
        ),
        alt="; ".join(f"{model}: {', '.join(words)}" for model, words in texts.items()) + ".",
        figure=figure,
        table=table,
    )


def _line(axes: Axes, place: int, curve: pd.DataFrame, crossings: Sequence[Crossing], *, color: str) -> None:
    """Draws a model's row: thick and coloured where it is faster, with its crossovers and their intervals."""
    is_faster = bool(curve["value"].iloc[0] > 1)
    edges = [curve["resolution_px"].iloc[0], *(each.px for each in crossings), curve["resolution_px"].iloc[-1]]
    for begin, end in pairwise(edges):
        width, shade = (5, color) if is_faster else (1, LIGHT["muted"])
        axes.plot([begin, end], [place, place], color=shade, linewidth=width, solid_capstyle="butt", zorder=2)
        is_faster = not is_faster
    for each in crossings:
        ends = [[each.px - (each.low_px or each.px)], [(each.high_px or each.px) - each.px]]
        axes.errorbar(each.px, place, xerr=ends, color=LIGHT["ink"], marker="D", capsize=3, elinewidth=1, zorder=4)


def _legend(figure: Figure, baseline: str) -> None:
    entries = [
        Line2D([], [], label=f"faster than {plain(baseline, 28)}", color=LIGHT["ink"], linewidth=5),
        Line2D([], [], label="slower", color=LIGHT["muted"], linewidth=1),
        Line2D([], [], label="equally fast", color=LIGHT["ink"], marker="D", linestyle="none"),
    ]
    figure.legend(handles=entries, loc="outside lower left", ncols=3)


def _texts(curve: pd.DataFrame, crossings: Sequence[Crossing]) -> list[str]:
    """`faster above 640 (590 to 700)` for each crossover, or `faster from 256 to 2048 px` without one."""
    first, last = curve["resolution_px"].iloc[0], curve["resolution_px"].iloc[-1]
    if not crossings:
        return [f"{'faster' if curve['value'].iloc[0] > 1 else 'slower'} from {first:.0f} to {last:.0f} px"]
    return [_text(each, first, last) for each in crossings]


def _text(crossing: Crossing, first: float, last: float) -> str:
    above = f"{'faster' if crossing.is_faster_above else 'slower'} above {crossing.px:.0f}"
    if crossing.low_px is None and crossing.high_px is None:
        return f"{above} (no interval)"
    low = f"{crossing.low_px:.0f}" if crossing.low_px else f"below {first:.0f}"
    high = f"{crossing.high_px:.0f}" if crossing.high_px else f"above {last:.0f}"
    return f"{above} ({low} to {high})"
