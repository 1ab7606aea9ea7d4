"""Speed-up over the baseline at the same resolution."""

from __future__ import annotations

import matplotlib
import pandas as pd

from dig_bench.render import drawing
from dig_bench.render.curves import draw_curves, draw_legend
from dig_bench.render.plot import Plot, tabulated
from dig_bench.render.style import LIGHT, RC, Look
from dig_bench.render.text import plain
from dig_bench.report import tables
from dig_bench.report.baseline import baseline_of
from dig_bench.report.figures import RESOLUTION, Context
from dig_bench.report.panels import Panel


def draw(panel: Panel, context: Context) -> list[Plot]:
    """Returns the figure where the panel has a baseline and another model measured beside it."""
    baseline = baseline_of(panel.rows, context.baseline)
    if baseline is None:
        return []
    ratios = tables.speedup(panel.rows, baseline)
    others = ratios["name"] != baseline
    return [_speedup(panel, ratios, baseline, context.look)] if ratios.loc[others, "value"].notna().any() else []


@matplotlib.rc_context(RC)
def _speedup(panel: Panel, ratios: pd.DataFrame, baseline: str, look: Look) -> Plot:
    others = ratios[ratios["name"] != baseline]
    ylabel = f"times as fast as {plain(baseline, 28)}"
    figure, axes = drawing.canvas(panel.label, xlabel=RESOLUTION, ylabel=ylabel)
    draw_curves(axes, others, look, x="resolution_px")
    axes.axhline(1, color=LIGHT["muted"], linewidth=1, zorder=1)
    drawing.logarithmic(axes)
    drawing.resolution_ticks(axes, ratios)
    draw_legend(figure, others, look)
    table, alt = tabulated(others, look.order(others), unit="times", index="resolution_px")
    return Plot(
        topic="speedup",
        name=f"speedup-{panel.slug}",
        title=f"Speed-up over {baseline}",
        conditions=panel.label,
        unit="times",
        caption=(
            f"Above 1, a model is faster than {baseline}; where a bar contains 1, the two are indistinguishable. Bars "
            "are 95 % intervals from the spread between processes if both sides have three or more, else the widest "
            "ratio that the intervals of both medians allow. A curve ends where the model or the baseline does. The "
            "table also gives the difference in peak memory, and the side that alone ran at the power limit."
        ),
        alt=alt,
        figure=figure,
        table=table,
    )
