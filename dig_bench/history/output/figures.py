"""The trends drawn: a series each, its processes in the order of the entries, its levels and its steps."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dig_bench.compare.output.words import TITLES, clean, figure
from dig_bench.history.output import words
from dig_bench.history.trends import Change, Point, Trend, Trends
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import plain, slug
from dig_bench.results.metrics import METRICS

MAX_PLOTS = 24

_MAX_TICKS = 8


def plots(trends: Trends) -> list[Plot]:
    """Of the series with changes first, the latest and worst in front; MAX_PLOTS at most."""
    places = {(change.key, change.metric): place for place, change in reversed(list(enumerate(trends.changes)))}
    ranked = sorted(trends.trends, key=lambda trend: places.get((trend.key, trend.metric), len(places)))
    return [_plot(trends, trend, number) for number, trend in enumerate(ranked[:MAX_PLOTS])]


@matplotlib.rc_context(RC)
def _plot(trends: Trends, trend: Trend, number: int) -> Plot:
    metric = METRICS[trend.metric]
    canvas = Figure(figsize=(4.8, 3.3), layout="constrained")
    title = plain(f"{trend.key.mode}, {trend.key.precision}, {trend.key.execution}, batch {trend.key.batch_size}")
    axes = canvas.add_subplot(title=title, ylabel=f"{TITLES[trend.metric]} ({metric.unit})")
    _draw(axes, trends, trend)
    _label(axes, trends, trend)
    canvas.legend(handles=_legend(trend), loc="outside lower left", ncols=2)
    name = clean(f"{trend.key.name} {trend.key.resolution_px} px")
    found = [words.size(change) + " at " + words.label(trends.entries[change.at]) for change in _steps(trend)]
    return Plot(
        topic=trend.metric,
        name=f"trend-{number}-{slug(trend.metric)}",
        title=f"{name}: {TITLES[trend.metric]}",
        conditions=title,
        unit=metric.unit,
        caption="; ".join(f"{words.size(change)}, {words.between(trends, change)}" for change in trend.changes)
        or "No change.",
        alt=f"{len(trend.points)} entries. {'; '.join(found) if found else 'No step'}.",
        figure=canvas,
        table=_table(trends, trend),
    )


def _draw(axes: Axes, trends: Trends, trend: Trend) -> None:
    measured = [(point, figures) for point in trend.points if (figures := _drawable(point))]
    for place, _ in trends.environment_changes():
        axes.axvline(place - 0.5, color=LIGHT["muted"], linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    for level in _levels(trend, measured):
        ends = [point.entry for point, _ in level]
        mean = math.exp(float(np.mean([np.log(figures).mean() for _, figures in level])))
        axes.plot([ends[0] - 0.4, ends[-1] + 0.4], [mean, mean], color=LIGHT["family-0"], linewidth=1.8, zorder=2)
    processes = [value for _, figures in measured for value in figures]
    places = [point.entry for point, figures in measured for _ in figures]
    axes.plot(places, processes, "o", color=LIGHT["ink"], markersize=3, zorder=3)
    gone = [point.entry for point in trend.points if not point.figures]
    bottom = axes.get_xaxis_transform()
    axes.plot(gone, [0.04] * len(gone), "x", color=LIGHT["bad"], transform=bottom, mew=1.6, clip_on=False)
    for change in _steps(trend):
        axes.axvspan(change.before + 0.5, change.after - 0.5, color=_color(change), alpha=0.12, linewidth=0, zorder=0)
        axes.axvline(change.at - 0.5, color=_color(change), linewidth=1.6, zorder=2)


def _label(axes: Axes, trends: Trends, trend: Trend) -> None:
    count = len(trends.entries)
    axes.set_xlim(-0.6, count - 0.4)
    ticks = list(range(0, count, max(1, math.ceil(count / _MAX_TICKS))))
    labels = [plain(words.label(trends.entries[place]), 12) for place in ticks]
    axes.set_xticks(ticks, labels, rotation=35, ha="right", fontsize=7)
    values = [value for point in trend.points for value in _drawable(point)]
    if values:
        low, high = min(values), max(values)
        # So that noise of a fraction of a per cent does not look like a mountain.
        room = max(0.15 * (high - low), 0.05 * high)
        axes.set_ylim(max(low - room, 0), high + room)


def _levels(trend: Trend, measured: list[tuple[Point, list[float]]]) -> list[list[tuple[Point, list[float]]]]:
    cuts = sorted(change.at for change in _steps(trend))
    levels: dict[int, list[tuple[Point, list[float]]]] = {}
    for each in measured:
        levels.setdefault(sum(cut <= each[0].entry for cut in cuts), []).append(each)
    return list(levels.values())


def _legend(trend: Trend) -> list[Line2D]:
    entries = [
        Line2D([], [], marker="o", linestyle="none", color=LIGHT["ink"], markersize=3, label="a process"),
        Line2D([], [], color=LIGHT["family-0"], linewidth=1.8, label="level"),
    ]
    for color, label in ((LIGHT["bad"], "worse"), (LIGHT["good"], "better"), (LIGHT["warn"], "not the code")):
        if any(_color(change) == color for change in _steps(trend)):
            entries.append(Line2D([], [], color=color, linewidth=1.6, label=label))
    return entries


def _color(change: Change) -> str:
    if change.cause != "revision":
        return LIGHT["warn"]
    return LIGHT["bad"] if change.is_worse else LIGHT["good"]


def _steps(trend: Trend) -> list[Change]:
    return [change for change in trend.changes if change.step]


def _drawable(point: Point) -> list[float]:
    """An axis ends somewhere."""
    return [value for value in point.figures if 1e-30 < value < 1e30]


def _table(trends: Trends, trend: Trend) -> pd.DataFrame:
    records = [
        (
            words.label(trends.entries[point.entry]),
            words.day(trends.entries[point.entry]),
            ", ".join(map(figure, point.figures)) or clean(point.status),
        )
        for point in trend.points
    ]
    return pd.DataFrame(records, columns=["entry", "measured", "processes"]).set_index("entry")
