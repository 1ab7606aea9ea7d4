"""Images per second over model size, a figure per resolution."""

from __future__ import annotations

import matplotlib
import pandas as pd

from dig_bench import paper
from dig_bench.render import drawing
from dig_bench.render.curves import draw_curves, draw_legend, draw_published
from dig_bench.render.plot import Plot, tabulated
from dig_bench.render.style import RC, Look
from dig_bench.render.text import plain
from dig_bench.report import tables
from dig_bench.report.figures import Context, published_beside
from dig_bench.report.panels import Panel
from dig_bench.results.names import size_rank


def draw(panel: Panel, context: Context) -> list[Plot]:
    """Returns a figure per resolution at which several sizes were measured."""
    plots = []
    for px, rows in panel.rows[panel.rows["size"] != ""].groupby("resolution_px"):
        if rows.loc[rows["is_measured"], "size"].nunique() > 1:
            plots.append(_sizes(panel, rows, context.look, name=f"sizes-{px:.0f}px-{panel.slug}"))
    return plots


@matplotlib.rc_context(RC)
def _sizes(panel: Panel, rows: pd.DataFrame, look: Look, *, name: str) -> Plot:
    """Curves are models without their size: `DiG@fla`."""
    points = tables.speed(rows)
    figure, axes = drawing.canvas(panel.label, xlabel="model size", ylabel="images/s")
    sizes = sorted(points["size"].unique(), key=lambda size: (size_rank(size), size))
    places = {size: float(place) for place, size in enumerate(sizes)}
    bare = [name.replace(f"-{size}", "", 1) for name, size in zip(points["name"], points["size"], strict=True)]
    points = points.assign(name=bare, place=points["size"].map(places))
    published = published_beside(paper.scaling(), rows)
    published = published.assign(
        value=published["images_per_s"],
        label="paper: " + published["model"],
        place=published["size"].map(places),
    )
    draw_curves(axes, points, look, x="place")
    draw_published(axes, published, look, x="place")
    axes.set_xticks(list(places.values()), [plain(size, 8) for size in sizes])
    drawing.logarithmic(axes)
    draw_legend(figure, points, look, published)
    table, alt = tabulated(points, look.order(points), unit="images/s", index="size")
    return Plot(
        topic="sizes",
        name=name,
        title=f"Speed over model size at {points['resolution_px'].iloc[0]:.0f} px",
        conditions=panel.label,
        unit="images/s",
        caption="Higher is faster. The scale is logarithmic: parallel curves keep their ratio.",
        alt=alt,
        figure=figure,
        table=table,
    )
