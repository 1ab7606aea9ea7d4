"""The figures: points (`tables`) in, a Plot out. `conditions` says how the rows were measured."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from dig_bench.render import drawing
from dig_bench.render.numbers import significant
from dig_bench.render.plot import Plot, plot_of_curves
from dig_bench.render.style import LIGHT, RC, Look
from dig_bench.render.text import plain
from dig_bench.report import tables
from dig_bench.results.names import size_rank

_RESOLUTION = "resolution (px)"


@matplotlib.rc_context(RC)
def speed(points: pd.DataFrame, published: pd.DataFrame, look: Look, *, name: str, conditions: str) -> Plot:
    """The paper's speed curve: natural logarithm of images per second over resolution."""
    figure, axes = drawing.canvas(conditions, xlabel=_RESOLUTION, ylabel="ln (images/s)")
    published = published.assign(value=published["images_per_s"])
    drawing.curves(axes, points, look, x="resolution_px", to_y=np.log)
    drawing.published_curves(axes, published, look, x="resolution_px", to_y=np.log)
    drawing.resolution_ticks(axes, points)
    has_crosses = _crosses(axes, points, published, look, at_top=False)
    drawing.exponential_scale(axes, "images/s")
    drawing.legend(figure, points, look, published, has_crosses=has_crosses)
    caption = (
        "Higher is faster; a step of 0.69 is a factor of two, and the right-hand scale reads in images per second. "
        "Bars are the confidence interval of the median, mostly smaller than a marker; the tint spans the 5th to the "
        "95th percentile of the single calls."
    )
    return plot_of_curves(
        figure,
        points,
        look,
        topic="speed",
        unit="images/s",
        name=name,
        conditions=conditions,
        title="Speed over resolution",
        caption=caption,
    )


@matplotlib.rc_context(RC)
def memory(points: pd.DataFrame, published: pd.DataFrame, look: Look, *, name: str, conditions: str) -> Plot:
    """The paper's memory curve: peak memory in linear GB over resolution."""
    figure, axes = drawing.canvas(conditions, xlabel=_RESOLUTION, ylabel="peak memory (GB)")
    published = published.assign(value=published["memory_gb"])
    drawing.curves(axes, points, look, x="resolution_px")
    drawing.published_curves(axes, published, look, x="resolution_px")
    axes.set_ylim(bottom=0)
    drawing.resolution_ticks(axes, points)
    has_crosses = _crosses(axes, points, published, look, at_top=True)
    drawing.legend(figure, points, look, published, has_crosses=has_crosses)
    caption = (
        "Lower is better; what grows with the square of the number of tokens bends upwards. GB is 10⁹ bytes. A cross "
        "stands at the first resolution that did not fit."
    )
    return plot_of_curves(
        figure,
        points,
        look,
        topic="memory",
        unit="GB",
        name=name,
        conditions=conditions,
        title="Peak memory over resolution",
        caption=caption,
    )


@matplotlib.rc_context(RC)
def model_sizes(points: pd.DataFrame, published: pd.DataFrame, look: Look, *, name: str, conditions: str) -> Plot:
    """Images per second over model size at one resolution: a curve is a model without its size, `DiG@fla`."""
    figure, axes = drawing.canvas(conditions, xlabel="model size", ylabel="images/s")
    sizes = sorted(points["size"].unique(), key=lambda size: (size_rank(size), size))
    places = {size: float(place) for place, size in enumerate(sizes)}
    bare = [name.replace(f"-{size}", "", 1) for name, size in zip(points["name"], points["size"], strict=True)]
    points = points.assign(name=bare, place=points["size"].map(places))
    published = published[published["size"].isin(sizes)].assign(value=published["images_per_s"])
    drawing.curves(axes, points, look, x="place")
    drawing.published_curves(axes, published.assign(place=published["size"].map(places)), look, x="place")
    axes.set_xticks(list(places.values()), [plain(size, 8) for size in sizes])
    drawing.logarithmic(axes)
    drawing.legend(figure, points, look, published)
    caption = "Higher is faster, on a logarithmic scale: where two curves keep their distance, they keep their ratio."
    resolution = points["resolution_px"].iloc[0]
    title = f"Speed over model size at {resolution:.0f} px"
    return plot_of_curves(
        figure,
        points,
        look,
        topic="sizes",
        unit="images/s",
        name=name,
        conditions=conditions,
        title=title,
        caption=caption,
        index="size",
    )


@matplotlib.rc_context(RC)
def speedup(points: pd.DataFrame, baseline: str, look: Look, *, name: str, conditions: str) -> Plot:
    """Ratio of speeds over resolution, on a logarithmic scale."""
    figure, axes = drawing.canvas(conditions, xlabel=_RESOLUTION, ylabel=f"times as fast as {plain(baseline, 28)}")
    others = points[points["name"] != baseline]
    drawing.curves(axes, others, look, x="resolution_px")
    axes.axhline(1, color=LIGHT["muted"], linewidth=1, zorder=1)
    drawing.logarithmic(axes)
    drawing.resolution_ticks(axes, points)
    drawing.legend(figure, others, look)
    caption = (
        f"Above 1 a model is faster than {baseline}. Bars are the widest ratio that the confidence intervals of both "
        "medians allow. A curve ends where the model or the baseline does. The table has the difference in peak "
        "memory, too."
    )
    return plot_of_curves(
        figure,
        others,
        look,
        topic="speedup",
        unit="times",
        name=name,
        conditions=conditions,
        title=f"Speed-up against {baseline}",
        caption=caption,
    )


@matplotlib.rc_context(RC)
def launch_bound(points: pd.DataFrame, look: Look, *, name: str, conditions: str) -> Plot:
    """1 - graph / eager over resolution."""
    figure, axes = drawing.canvas(conditions, xlabel=_RESOLUTION, ylabel="launch-bound share of the eager time")
    drawing.curves(axes, points, look, x="resolution_px")
    axes.set_ylim(min(0.0, 1.1 * points["value"].min()), 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    drawing.resolution_ticks(axes, points)
    drawing.legend(figure, points, look)
    caption = (
        "1 - graph / eager: the share of an eager call in which the device waits for the host to launch the next "
        "kernel. Where it is high, eager timings compare hosts rather than models."
    )
    in_percent = points.assign(value=100 * points["value"])
    return plot_of_curves(
        figure,
        in_percent,
        look,
        topic="launch-bound",
        unit="%",
        name=name,
        conditions=conditions,
        title="Launch-bound share",
        caption=caption,
    )


@matplotlib.rc_context(RC)
def training_parts(parts: pd.DataFrame, look: Look, *, name: str, conditions: str) -> Plot:
    """Stacked bars: forward, backward and optimiser of one training step, in ms, at one resolution."""
    figure, axes = drawing.canvas(conditions, xlabel="time of a training step (ms)", ylabel="")
    parts = parts.set_index("name").loc[look.order(parts)]
    values = parts[list(tables.PARTS)]
    drawing.fading_bars(axes, values, [look.color(family) for family in parts["family"]])
    title = f"Parts of a training step at {parts['resolution_px'].iloc[0]:.0f} px"
    caption = (
        "The parts of a step, timed apart. From strong to faint: forward, backward, optimiser (AdamW). The colour is "
        "that of the model's family."
    )
    total = "; ".join(f"{model} {significant(ms)}" for model, ms in values.sum(axis=1).items())
    return Plot(
        topic="training",
        name=name,
        conditions=conditions,
        title=title,
        unit="ms",
        caption=caption,
        alt=f"Stacked bars. The parts together, in ms: {total}.",
        figure=figure,
        table=values.map(significant).rename_axis("model"),
    )


def _crosses(axes: Axes, points: pd.DataFrame, published: pd.DataFrame, look: Look, *, at_top: bool) -> bool:
    # The paper shows a cross where it gives neither speed nor memory.
    gone = published[published["images_per_s"].isna()].assign(status="oom")
    return drawing.crosses(axes, pd.concat([points.assign(label=points["name"]), gone]), look, at_top=at_top)
