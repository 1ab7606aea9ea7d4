"""The paper's curves, and the measured ones over them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import matplotlib
import pandas as pd

from dig_bench.claims.assessment import Assessment
from dig_bench.claims.output import words
from dig_bench.claims.points import Panel, Point
from dig_bench.render import drawing
from dig_bench.render.curves import draw_curves, draw_legend, draw_published
from dig_bench.render.plot import Plot, tabulated
from dig_bench.render.style import LIGHT, RC, Look
from dig_bench.render.text import plain

_SPEEDUP = "DiG's images/s over theirs"
_MEMORY_RATIO = "their memory over DiG's"


@dataclass(frozen=True, kw_only=True)
class _Drawing:
    """A ratio to draw, over resolution or over model size."""

    panel: Panel
    quantity: Literal["speedup", "memory_ratio"]
    x: Literal["resolution_px", "size"]
    name: str
    title: str
    ylabel: str
    resolution_px: int | None = None
    """The only resolution drawn; None draws all."""


def curves(assessment: Assessment) -> Iterator[Plot]:
    """Draws the panel of each figure that is nearest to the paper's conditions.

    The teaser figure gives DiG's speed and the others' memory over resolution, the model-size figure DiG's speed over
    size at each resolution. Ratios without any measurement are left out.
    """
    for panel in assessment.nearest_panels:
        yield from filter(None, map(_plot, _over_resolution(panel) if panel.figure == "teaser" else _over_size(panel)))


def _over_resolution(panel: Panel) -> Iterator[_Drawing]:
    yield _Drawing(
        panel=panel,
        quantity="speedup",
        x="resolution_px",
        name="figure-teaser-speedup",
        title="DiG's speed over resolution",
        ylabel=_SPEEDUP,
    )
    yield _Drawing(
        panel=panel,
        quantity="memory_ratio",
        x="resolution_px",
        name="figure-teaser-memory-ratio",
        title="Memory of the others over resolution",
        ylabel=_MEMORY_RATIO,
    )


def _over_size(panel: Panel) -> Iterator[_Drawing]:
    for resolution_px in dict.fromkeys(point.resolution_px for point in panel.points):
        yield _Drawing(
            panel=panel,
            quantity="speedup",
            x="size",
            name=f"figure-size-{resolution_px}",
            title=f"DiG's speed over model size at {resolution_px} px",
            ylabel=_SPEEDUP,
            resolution_px=resolution_px,
        )


@matplotlib.rc_context(RC)
def _plot(drawn: _Drawing) -> Plot | None:
    """None without a measured ratio."""
    points = pd.DataFrame(list(_records(drawn)))
    if points.empty or points["value"].isna().all():
        return None
    sizes = list(dict.fromkeys(points["size"]))
    points = points.assign(place=points["size"].map(lambda size: float(sizes.index(size))))
    published = points.assign(value=points["published"], label="paper: " + points["name"])
    look, at = Look(points), "place" if drawn.x == "size" else drawn.x
    conditions = plain(drawn.panel.label())
    figure, axes = drawing.canvas(conditions, xlabel="resolution (px)", ylabel=drawn.ylabel)
    draw_curves(axes, points, look, x=at)
    draw_published(axes, published, look, x=at)
    axes.axhline(1, color=LIGHT["muted"], linewidth=1, zorder=1)
    drawing.logarithmic(axes)
    if drawn.x == "size":
        axes.set_xlabel("model size")
        axes.set_xticks(range(len(sizes)), [plain(size, 8) for size in sizes])
    else:
        drawing.resolution_ticks(axes, points)
    draw_legend(figure, points, look, published)
    table, alt = tabulated(points, look.order(points), unit="times", index=drawn.x)
    of_paper, _ = tabulated(
        published.drop(columns=["low", "high", "note"]).assign(name=published["label"]),
        [f"paper: {each}" for each in look.order(points)],
        unit="times",
        index=drawn.x,
    )
    return Plot(
        topic="figure",
        name=drawn.name,
        title=drawn.title,
        conditions=conditions,
        unit="times",
        caption="Above 1 DiG is better. Solid: measured here; dashed: the points of the paper's figure. The table says "
        "how many processes each ratio rests on.",
        alt=alt,
        figure=figure,
        table=table.join(of_paper),
    )


def _records(drawn: _Drawing) -> Iterator[dict[str, object]]:
    for point in drawn.panel.points:
        published, value = getattr(point.paper, drawn.quantity), getattr(point.measured, drawn.quantity)
        if (published is None and value is None) or drawn.resolution_px not in (None, point.resolution_px):
            continue
        interval = point.speedup if drawn.quantity == "speedup" else None
        ratio = point.speedup if drawn.quantity == "speedup" else point.saving
        yield {
            "name": _curve(drawn.panel, point),
            "family": point.family,
            "backend": point.backend,
            "size": point.size,
            "resolution_px": point.resolution_px,
            "status": point.status if point.status != "missing" else "ok",
            "value": _drawable(value),
            "low": _drawable(interval.low if interval else value),
            "high": _drawable(interval.high if interval and math.isfinite(interval.high) else value),
            "published": _drawable(published),
            "note": words.point_basis(ratio),
        }


def _curve(panel: Panel, point: Point) -> str:
    """Name of the curve that a point lies on: `DiT-S/2@math`; over model size `DiT@math`."""
    return point.name if panel.figure == "teaser" else point.name.replace(f"-{point.size}", "", 1)


def _drawable(value: float | None) -> float:
    """NaN for a value that cannot be a ratio of two models: axes are finite."""
    return value if value is not None and 1e-6 < value < 1e6 else math.nan
