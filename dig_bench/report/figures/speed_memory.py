"""The paper's speed and memory curves over resolution."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dig_bench import paper
from dig_bench.render import drawing
from dig_bench.render.curves import draw_crosses, draw_curves, draw_legend, draw_published
from dig_bench.render.plot import Plot, tabulated
from dig_bench.render.style import RC, Look
from dig_bench.report import tables
from dig_bench.report.figures import RESOLUTION, Context, published_beside
from dig_bench.report.panels import Panel


def draw(panel: Panel, context: Context) -> list[Plot]:
    """Returns the speed figure and the memory figure, as far as the panel has points for them."""
    rows = panel.rows
    published = published_beside(paper.speed_memory(), rows)
    plots = []
    if rows["is_measured"].any() or (rows["status"] == "oom").any():
        plots.append(_speed(panel, published, context.look))
    if rows["memory_gb"].notna().any():
        plots.append(_memory(panel, published, context.look))
    return plots


@matplotlib.rc_context(RC)
def _speed(panel: Panel, published: pd.DataFrame, look: Look) -> Plot:
    """Natural logarithm of images per second over resolution."""
    points = tables.speed(panel.rows)
    figure, axes = drawing.canvas(panel.label, xlabel=RESOLUTION, ylabel="ln (images/s)")
    published = published.assign(value=published["images_per_s"])
    draw_curves(axes, points, look, x="resolution_px", to_y=np.log)
    draw_published(axes, published, look, x="resolution_px", to_y=np.log)
    drawing.resolution_ticks(axes, points)
    has_crosses = _crosses(axes, points, published, look, at_top=False)
    drawing.exponential_scale(axes, "images/s")
    draw_legend(figure, points, look, published, has_crosses=has_crosses)
    table, alt = tabulated(points, look.order(points), unit="images/s", index="resolution_px")
    return Plot(
        topic="speed",
        name=f"speed-{panel.slug}",
        title="Speed over resolution",
        conditions=panel.label,
        unit="images/s",
        caption=(
            "Higher is faster; a difference of 0.69 is a factor of two. The right-hand scale shows images per second. "
            "Bars are confidence intervals of the median, mostly smaller than a marker; the shaded band spans the 5th "
            "to the 95th percentile of single iterations."
        ),
        alt=alt,
        figure=figure,
        table=table,
    )


@matplotlib.rc_context(RC)
def _memory(panel: Panel, published: pd.DataFrame, look: Look) -> Plot:
    """Peak memory in GB on a linear scale over resolution."""
    points = tables.memory(panel.rows)
    figure, axes = drawing.canvas(panel.label, xlabel=RESOLUTION, ylabel="peak memory (GB)")
    published = published.assign(value=published["memory_gb"])
    draw_curves(axes, points, look, x="resolution_px")
    draw_published(axes, published, look, x="resolution_px")
    axes.set_ylim(bottom=0)
    drawing.resolution_ticks(axes, points)
    has_crosses = _crosses(axes, points, published, look, at_top=True)
    draw_legend(figure, points, look, published, has_crosses=has_crosses)
    table, alt = tabulated(points, look.order(points), unit="GB", index="resolution_px")
    return Plot(
        topic="memory",
        name=f"memory-{panel.slug}",
        title="Peak memory over resolution",
        conditions=panel.label,
        unit="GB",
        caption=(
            "Lower is better. Memory that is quadratic in the number of tokens bends upwards. 1 GB is 10⁹ bytes. A "
            "cross marks the first resolution that did not fit."
        ),
        alt=alt,
        figure=figure,
        table=table,
    )


def _crosses(axes: Axes, points: pd.DataFrame, published: pd.DataFrame, look: Look, *, at_top: bool) -> bool:
    # The paper shows a cross where it gives neither speed nor memory.
    gone = published[published["images_per_s"].isna()].assign(status="oom")
    return draw_crosses(axes, pd.concat([points.assign(label=points["name"]), gone]), look, at_top=at_top)
