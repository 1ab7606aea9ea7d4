"""Trends drawn: the processes of each entry in order, the levels, and the change points."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dig_bench.history.changes import Change, Point
from dig_bench.history.output import words
from dig_bench.history.trends import Trend, Trends
from dig_bench.render.levels import BAD, GOOD, WARN, Level
from dig_bench.render.numbers import significant
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import log_line, plain, slug
from dig_bench.results.metrics import METRICS

MAX_PLOTS = 24

_MAX_TICKS = 8
_NAMED = ("model", "backend", "resolution_px")
_LEVELS = {BAD: "worse", GOOD: "better", WARN: "not the code"}


def plots(trends: Trends) -> list[Plot]:
    """Draws at most MAX_PLOTS series, those with changes first, in the order of `Trends.changes`."""
    places = {(change.key, change.metric): place for place, change in reversed(list(enumerate(trends.changes)))}
    ranked = sorted(trends.trends, key=lambda trend: places.get((trend.key, trend.metric), len(places)))
    return [_plot(trends, trend, number) for number, trend in enumerate(ranked[:MAX_PLOTS])]


@matplotlib.rc_context(RC)
def _plot(trends: Trends, trend: Trend, number: int) -> Plot:
    metric = METRICS[trend.metric]
    conditions = plain(trend.key.without(*_NAMED).label())
    figure = Figure(figsize=(4.8, 3.3), layout="constrained")
    axes = figure.add_subplot(title=conditions, ylabel=f"{metric.title} ({metric.unit})")
    _draw(axes, trends, trend)
    _label(axes, trends, trend)
    figure.legend(handles=_legend(trend), loc="outside lower left", ncols=2)
    found = [f"{words.size(change)} at {words.label(trends.entries[change.at])}" for change in _change_points(trend)]
    changes = [f"{words.size(change)}, {words.between(trends, change)}" for change in trend.changes]
    return Plot(
        topic=trend.metric,
        name=f"trend-{number}-{slug(trend.metric)}",
        title=f"{log_line(trend.key.only(*_NAMED).label())}: {metric.title}",
        conditions=conditions,
        unit=metric.unit,
        caption="; ".join(changes) or "No change.",
        alt=f"{len(trend.points)} entries. {'; '.join(found) or 'No change point'}.",
        figure=figure,
        table=_table(trends, trend),
    )


def _draw(axes: Axes, trends: Trends, trend: Trend) -> None:
    measured = [(point, values) for point in trend.points if (values := _drawable(point))]
    for place, _ in trends.environments.changes():
        axes.axvline(place - 0.5, color=LIGHT["muted"], linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    for level in _levels(trend, measured):
        ends = [point.entry for point, _ in level]
        mean = math.exp(float(np.mean([np.log(values).mean() for _, values in level])))
        axes.plot([ends[0] - 0.4, ends[-1] + 0.4], [mean, mean], color=LIGHT["family-0"], linewidth=1.8, zorder=2)
    processes = [value for _, values in measured for value in values]
    places = [point.entry for point, values in measured for _ in values]
    axes.plot(places, processes, "o", color=LIGHT["ink"], markersize=3, zorder=3)
    failed = [point.entry for point in trend.points if not point.values]
    bottom = axes.get_xaxis_transform()
    axes.plot(failed, [0.04] * len(failed), "x", color=LIGHT["bad"], transform=bottom, mew=1.6, clip_on=False)
    for change in _change_points(trend):
        color = _color(words.level(change))
        axes.axvspan(change.before + 0.5, change.after - 0.5, color=color, alpha=0.12, linewidth=0, zorder=0)
        axes.axvline(change.at - 0.5, color=color, linewidth=1.6, zorder=2)


def _label(axes: Axes, trends: Trends, trend: Trend) -> None:
    count = len(trends.entries)
    axes.set_xlim(-0.6, count - 0.4)
    ticks = list(range(0, count, max(1, math.ceil(count / _MAX_TICKS))))
    labels = [plain(words.label(trends.entries[place]), 12) for place in ticks]
    axes.set_xticks(ticks, labels, rotation=35, ha="right", fontsize=7)
    values = [value for point in trend.points for value in _drawable(point)]
    if values:
        low, high = min(values), max(values)
        # Noise of a fraction of a per cent must not fill the figure.
        room = max(0.15 * (high - low), 0.05 * high)
        axes.set_ylim(max(low - room, 0), high + room)


def _levels(trend: Trend, measured: Sequence[tuple[Point, list[float]]]) -> list[list[tuple[Point, list[float]]]]:
    """The points with their values, level by level."""
    cuts = sorted(change.at for change in _change_points(trend))
    levels: dict[int, list[tuple[Point, list[float]]]] = {}
    for each in measured:
        levels.setdefault(sum(cut <= each[0].entry for cut in cuts), []).append(each)
    return list(levels.values())


def _legend(trend: Trend) -> list[Line2D]:
    entries = [
        Line2D([], [], marker="o", linestyle="none", color=LIGHT["ink"], markersize=3, label="a process"),
        Line2D([], [], color=LIGHT["family-0"], linewidth=1.8, label="level"),
    ]
    found = {words.level(change) for change in _change_points(trend)}
    for level, label in _LEVELS.items():
        if level in found:
            entries.append(Line2D([], [], color=_color(level), linewidth=1.6, label=label))
    return entries


def _color(level: Level) -> str:
    return LIGHT[level.name]


def _change_points(trend: Trend) -> list[Change]:
    return [change for change in trend.changes if change.point]


def _drawable(point: Point) -> list[float]:
    """Values that fit on a finite axis."""
    return [value for value in point.values if 1e-30 < value < 1e30]


def _table(trends: Trends, trend: Trend) -> pd.DataFrame:
    digits = METRICS[trend.metric].digits
    records = [
        (
            words.label(trends.entries[point.entry]),
            words.day(trends.entries[point.entry]),
            ", ".join(significant(value, digits) for value in point.values) or log_line(point.status),
        )
        for point in trend.points
    ]
    return pd.DataFrame(records, columns=["entry", "measured", "processes"]).set_index("entry")
