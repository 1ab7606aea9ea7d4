"""Launch overhead: the share of an eager call that a CUDA graph saves."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import pandas as pd
from matplotlib.ticker import PercentFormatter

from dig_bench.render import drawing
from dig_bench.render.curves import draw_curves, draw_legend
from dig_bench.render.plot import Plot, tabulated
from dig_bench.render.style import RC, Look
from dig_bench.report import tables
from dig_bench.report.figures import RESOLUTION, Context
from dig_bench.report.panels import Panel

_CONDITIONS = ["mode", "precision", "batch_size", "device"]


def draw(panel: Panel, context: Context) -> list[Plot]:
    """Returns the figure for a panel of CUDA graphs whose cells were measured eagerly, too."""
    # The panels of both executions have the same shares.
    if panel.key.execution != "graph":
        return []
    rows = context.data.merge(panel.rows[["name", *_CONDITIONS]].drop_duplicates())
    rows = rows[rows["state"] == panel.state]
    shares = tables.launch_bound(rows)
    both = replace(panel, key=replace(panel.key, execution="eager and graph"))
    return [_overhead(both, shares, context.look)] if len(shares) else []


@matplotlib.rc_context(RC)
def _overhead(panel: Panel, shares: pd.DataFrame, look: Look) -> Plot:
    ylabel = "launch overhead, share of the eager latency"
    figure, axes = drawing.canvas(panel.label, xlabel=RESOLUTION, ylabel=ylabel)
    draw_curves(axes, shares, look, x="resolution_px")
    axes.set_ylim(min(0.0, 1.1 * shares["value"].min()), 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    drawing.resolution_ticks(axes, shares)
    draw_legend(figure, shares, look)
    in_percent = shares.assign(value=100 * shares["value"])
    table, alt = tabulated(in_percent, look.order(shares), unit="%", index="resolution_px")
    return Plot(
        topic="launch-bound",
        name=f"launch-bound-{panel.slug}",
        title="Launch overhead",
        conditions=panel.label,
        unit="%",
        caption=(
            "1 - graph / eager: the share of an eager call in which the device waits for the host to launch the next "
            "kernel. Where it is high, eager timings compare hosts rather than models. The table says where only one "
            "of the two ran at the power limit: the share then holds a difference of the clocks, too."
        ),
        alt=alt,
        figure=figure,
        table=table,
    )
