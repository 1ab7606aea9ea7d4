"""A history as trends: the values of each cell in order, and where they change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dig_bench.cell import Key
from dig_bench.history.changes import Change, Point
from dig_bench.history.entries import Entry, History
from dig_bench.history.environments import Environments
from dig_bench.history.finder import Finder
from dig_bench.history.order import Commits, Order, arrange
from dig_bench.results.metrics import METRICS, check_metric

METRICS_SHOWN = ("latency", "memory")

FALSE_ALARMS = 0.01
"""Limit of the probability of a change point in a history without any change, all series and metrics together.
`benchmarks/history/change_points.py` shows for which noises it holds."""


@dataclass(frozen=True, kw_only=True)
class Trend:
    """One metric of one cell."""

    key: Key
    metric: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True)
class Trends:
    """All series of a history."""

    order: Order
    environments: Environments
    trends: tuple[Trend, ...]
    problems: tuple[str, ...]
    num_tests: int
    """Tests for change points that share FALSE_ALARMS."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries in order."""
        return self.order.entries

    @property
    def false_alarms(self) -> float:
        """The share of FALSE_ALARMS of each test."""
        return FALSE_ALARMS / max(self.num_tests, 1)

    @property
    def changes(self) -> list[Change]:
        """All changes: those that a revision may have caused first, then the latest, then the largest."""
        found = {change: None for trend in self.trends for change in trend.changes}
        return sorted(found, key=lambda change: (change.cause != "revision", -change.at, -change.size))

    def commits(self, change: Change) -> Commits | None:
        """The commits that a change lies between."""
        return self.order.commits(self.entries[change.before], self.entries[change.after])


def trends(
    history: History,
    *,
    repository: Path | None = None,
    metrics: Sequence[str] = METRICS_SHOWN,
    only: Callable[[Key], bool] | None = None,
) -> Trends:
    """Orders the entries and finds the changes of each metric of each cell for which `only` holds.

    Raises ValueError for an unknown metric.
    """
    for metric in metrics:
        check_metric(metric)
    order = arrange(history.entries, repository)
    keys = dict.fromkeys(key for entry in order.entries for key in entry.evidence.rows if only is None or only(key))
    environments = Environments.of(order.entries)
    points = {metric: _points_of_cells(order.entries, keys, metric) for metric in metrics}
    finders = [Finder(environments=environments, metric=metric, false_alarms=FALSE_ALARMS) for metric in metrics]
    noisy = [finder for finder in finders if not METRICS[finder.metric].repeatable]
    num_tests = sum(finder.num_tests(found) for finder in noisy for found in points[finder.metric].values())
    shared = [replace(finder, false_alarms=FALSE_ALARMS / max(num_tests, 1)) for finder in finders]
    return Trends(
        order=order,
        environments=environments,
        trends=tuple(trend for finder in shared for trend in _trends(finder, points[finder.metric])),
        problems=history.problems,
        num_tests=num_tests,
    )


def _trends(finder: Finder, points: Mapping[Key, Sequence[Point]]) -> Iterator[Trend]:
    """Yields a trend for each cell. A first pass estimates how noisy the series are."""
    if not METRICS[finder.metric].repeatable:
        finder = finder.informed(points.values())
    for key, found in points.items():
        yield Trend(key=key, metric=finder.metric, points=tuple(found), changes=tuple(finder.changes(key, found)))


def _points_of_cells(entries: Sequence[Entry], keys: Iterable[Key], metric: str) -> dict[Key, list[Point]]:
    """The points of each cell that has a value in any entry."""
    points = {key: _points(entries, key, metric) for key in keys}
    return {key: found for key, found in points.items() if any(point.values for point in found)}


def _points(entries: Sequence[Entry], key: Key, metric: str) -> list[Point]:
    return [
        Point(
            entry=place,
            values=tuple(entry.evidence.values(key, metric)),
            status=str(entry.evidence.status(key)),
        )
        for place, entry in enumerate(entries)
        if key in entry.evidence.rows
    ]
