"""Crossovers: the resolutions at which a model and the baseline are equally fast."""

from __future__ import annotations

from typing import Any

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
from dig_bench.report.standings import crossover_range, joined, standing_words
from dig_bench.results.scaling import Standing, interpolated_stretches

_LOOKS: dict[Standing, dict[str, Any]] = {
    "faster": {"linewidth": 5},
    "slower": {"linewidth": 1},
    "indistinguishable": {"linewidth": 1, "linestyle": (0, (2, 3))},
}


def draw(panel: Panel, context: Context) -> list[Plot]:
    """Returns the figure where models were measured beside the baseline at two resolutions or more."""
    baseline = baseline_of(panel.rows, context.baseline)
    if baseline is None:
        return []
    ratios = tables.speedup(panel.rows, baseline)
    others = ratios[(ratios["name"] != baseline) & ratios["value"].notna()].sort_values("resolution_px")
    if others["resolution_px"].nunique() < 2:
        return []
    return [_crossovers(panel, others, baseline, context.look)]


@matplotlib.rc_context(RC)
def _crossovers(panel: Panel, points: pd.DataFrame, baseline: str, look: Look) -> Plot:
    """`points` are ratios of speeds. A line per model, thick where it is faster than the baseline."""
    order = look.order(points)
    figure, axes = drawing.canvas(panel.label, xlabel=RESOLUTION, ylabel="")
    texts = {}
    for place, model in enumerate(order):
        curve = points[points["name"] == model]
        _line(axes, place, curve, color=look.color(curve["family"].iloc[0]))
        texts[model] = _text(curve)
    drawing.resolution_ticks(axes, points)
    drawing.rows(axes, order)
    _legend(figure, baseline)
    table = pd.DataFrame({"crossover": pd.Series(texts)}).rename_axis("model")
    return Plot(
        topic="crossover",
        name=f"crossovers-{panel.slug}",
        title=f"Crossovers with {baseline}",
        conditions=panel.label,
        unit="px",
        caption=(
            "A model is faster or slower where the interval of the ratio does not contain 1. A crossover is marked "
            "where the intervals separate on both sides of it. It is interpolated on a straight line between the two "
            "nearest measured resolutions, both axes logarithmic; the curvature between them is not included."
        ),
        alt="; ".join(f"{model}: {words}" for model, words in texts.items()) + ".",
        figure=figure,
        table=table,
    )


def _line(axes: Axes, place: int, curve: pd.DataFrame, *, color: str) -> None:
    """Draws a model's row: thick and coloured where it is faster, dotted where it is indistinguishable."""
    for each in interpolated_stretches(curve["resolution_px"], curve["low"], curve["high"]):
        shade = color if each.standing == "faster" else LIGHT["muted"]
        stretch = [each.first_px, each.last_px]
        axes.plot(stretch, [place, place], color=shade, solid_capstyle="butt", zorder=2, **_LOOKS[each.standing])
    for crossing in growth.crossovers(curve):
        assert crossing.low_px is not None
        assert crossing.high_px is not None
        ends = [[crossing.px - crossing.low_px], [crossing.high_px - crossing.px]]
        axes.errorbar(crossing.px, place, xerr=ends, color=LIGHT["ink"], marker="D", capsize=3, elinewidth=1, zorder=4)


def _legend(figure: Figure, baseline: str) -> None:
    labels: dict[Standing, str] = {
        "faster": f"faster than {plain(baseline, 28)}",
        "slower": "slower",
        "indistinguishable": "indistinguishable",
    }
    entries = [Line2D([], [], label=text, color=LIGHT["ink"], **_LOOKS[each]) for each, text in labels.items()]
    entries.append(Line2D([], [], label="equally fast", color=LIGHT["ink"], marker="D", linestyle="none"))
    figure.legend(handles=entries, loc="outside lower left", ncols=2)


def _text(curve: pd.DataFrame) -> str:
    """`slower at 256 px; faster from 512 to 2048 px; crossover at 300 px (290 to 310)`."""
    found = growth.measured_stretches(curve)
    crossings = [
        f"crossover at {each.px:.0f} px ({each.low_px:.0f} to {each.high_px:.0f})" for each in growth.crossovers(curve)
    ]
    notes = curve.groupby("note", sort=False)["resolution_px"].agg(list).items()
    where = [f"{note} ({joined([f'{px:.0f}' for px in pxs])} px)" for note, pxs in notes if note]
    return "; ".join(filter(None, (*standing_words(found), *crossings, crossover_range(found), *where)))
