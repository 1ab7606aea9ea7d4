"""A history as trends: each cell's figures in order, where their level steps, and what a step may be blamed on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from dig_bench.cell import Cell, Key
from dig_bench.compare.conditions import Difference, differences
from dig_bench.compare.noise import Noise, prior
from dig_bench.history import steps as statistics
from dig_bench.history.entries import Entry, History
from dig_bench.history.order import Commits, Order, arrange
from dig_bench.results.metrics import METRICS

METRICS_SHOWN = ("latency", "memory")

FALSE_ALARMS = 0.01
"""The probability of a step in a history without any change, all series together."""

Cause = Literal["revision", "same revision", "environment"]


@dataclass(frozen=True, kw_only=True)
class Point:
    entry: int
    """Its place in the order."""
    figures: tuple[float, ...]
    """Of its processes; empty when it failed."""
    status: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """A step of a series, or a cell that began to fail or to work."""

    key: Key
    metric: str
    """Out of METRICS; empty for a change of status."""
    at: int
    """The first entry of the new level."""
    before: int
    after: int
    """Entries between which it lies: the last one that has the old level for certain, the first that has the new."""
    cause: Cause
    step: statistics.Step | None
    """None for a change of status."""
    statuses: tuple[str, str]
    differences: tuple[Difference, ...] = ()
    """Of the environments before and after."""

    @property
    def is_worse(self) -> bool:
        return self.step.ratio > 1 if self.step else self.statuses[0] in ("ok", "noisy", "throttled")


@dataclass(frozen=True, kw_only=True)
class Trend:
    key: Key
    metric: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True)
class Trends:
    order: Order
    environments: tuple[int, ...]
    """Of each entry in order, a number: entries of one number differ in no condition."""
    trends: tuple[Trend, ...]
    problems: tuple[str, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self.order.entries

    @property
    def changes(self) -> list[Change]:
        """Those that a revision may have caused first, of these the latest, and of one place the largest."""
        found = {change: None for trend in self.trends for change in trend.changes}
        return sorted(found, key=lambda change: (change.cause != "revision", -change.at, -_size(change)))

    def commits(self, change: Change) -> Commits | None:
        return self.order.commits(self.entries[change.before], self.entries[change.after])

    def environment_changes(self) -> Iterator[tuple[int, tuple[Difference, ...]]]:
        """Places at which an entry's environment is not that of the entry before it."""
        for place, (one, other) in enumerate(pairwise(self.environments), start=1):
            if one != other:
                yield place, _differences(self.entries[place - 1], self.entries[place])


def trends(
    history: History,
    *,
    repository: Path | None = None,
    metrics: Sequence[str] = METRICS_SHOWN,
    only: Callable[[Cell], bool] | None = None,
) -> Trends:
    """ValueError for an unknown metric."""
    for metric in metrics:
        if metric not in METRICS:
            raise ValueError(f"no metric {metric!r}: the choices are {', '.join(METRICS)}")
    order = arrange(history.entries, repository)
    keys = dict.fromkeys(key for entry in order.entries for key in entry.processes.rows if only is None or only(key))
    environments = _environments(order.entries)
    found = _Finder(order.entries, environments)
    return Trends(
        order=order,
        environments=environments,
        trends=tuple(trend for metric in metrics for trend in found.trends(list(keys), metric)),
        problems=history.problems,
    )


class _Finder:
    def __init__(self, entries: Sequence[Entry], environments: Sequence[int]) -> None:
        self._entries = entries
        self._environments = environments

    def trends(self, keys: Sequence[Key], metric: str) -> Iterator[Trend]:
        """One a cell that has a figure somewhere; in two passes: the first tells how noisy the series are."""
        points = {key: self._points(key, metric) for key in keys}
        points = {key: each for key, each in points.items() if any(point.figures for point in each)}
        tracks = {key: self._tracks(each) for key, each in points.items()}
        known = None
        if not METRICS[metric].repeatable:
            false_alarms = FALSE_ALARMS / max(len(points), 1)
            series = [_figures(track) for each in tracks.values() for track in each if len(track) > 1]
            first = [(figures, _find(figures, metric, false_alarms, None)) for figures in series]
            known = prior([statistics.noise(figures, found) for figures, found in first])
        else:
            false_alarms = FALSE_ALARMS
        for key, each in points.items():
            changes = [
                *self._steps(key, metric, tracks[key], false_alarms, known),
                *self._between(key, metric, tracks[key], false_alarms, known),
                *self._status_changes(key, each),
            ]
            yield Trend(
                key=key, metric=metric, points=tuple(each), changes=tuple(sorted(changes, key=lambda change: change.at))
            )

    def _points(self, key: Key, metric: str) -> list[Point]:
        return [
            Point(
                entry=place,
                figures=tuple(entry.processes.figures(key, metric)),
                status=str(entry.processes.status(key)),
            )
            for place, entry in enumerate(self._entries)
            if key in entry.processes.rows
        ]

    def _tracks(self, points: Iterable[Point]) -> list[list[Point]]:
        """Points that have figures, by environment: only within one is a step a step of the code."""
        tracks: dict[int, list[Point]] = {}
        for point in points:
            if point.figures:
                tracks.setdefault(self._environments[point.entry], []).append(point)
        return list(tracks.values())

    def _steps(
        self, key: Key, metric: str, tracks: Iterable[list[Point]], false_alarms: float, known: Noise | None
    ) -> Iterator[Change]:
        for track in tracks:
            for step in _find(_figures(track), metric, false_alarms, known):
                yield self._change(key, metric, track, step)

    def _between(
        self, key: Key, metric: str, tracks: Sequence[list[Point]], false_alarms: float, known: Noise | None
    ) -> Iterator[Change]:
        """Between environments, where one ends before the other begins: from its last level to the next one's first."""
        for before, after in pairwise(tracks):
            if before[-1].entry > after[0].entry:
                continue
            # The levels next to the boundary.
            starts, stops = (
                [step.at for step in _find(_figures(each), metric, false_alarms, known)] for each in (before, after)
            )
            left, right = before[starts[-1] if starts else 0 :], after[: stops[0] if stops else None]
            step = statistics.level_change(
                _figures(left),
                _figures(right),
                threshold=METRICS[metric].threshold,
                repeatable=METRICS[metric].repeatable,
                false_alarms=false_alarms,
                prior=known,
            )
            if step:
                yield self._change(key, metric, [*left, *right], step)

    def _change(self, key: Key, metric: str, points: Sequence[Point], step: statistics.Step) -> Change:
        at = points[step.at].entry
        before, after = points[step.first - 1].entry, points[step.last].entry
        return self._explained(
            Change(
                key=key,
                metric=metric,
                at=at,
                before=before,
                after=after,
                cause="revision",
                step=step,
                statuses=(points[step.at - 1].status, points[step.at].status),
            )
        )

    def _status_changes(self, key: Key, points: Sequence[Point]) -> Iterator[Change]:
        for one, other in pairwise(points):
            if bool(one.figures) != bool(other.figures):
                yield self._explained(
                    Change(
                        key=key,
                        metric="",
                        at=other.entry,
                        before=one.entry,
                        after=other.entry,
                        cause="revision",
                        step=None,
                        statuses=(one.status, other.status),
                    )
                )

    def _explained(self, change: Change) -> Change:
        before, after = self._entries[change.before], self._entries[change.after]
        if self._environments[change.before] != self._environments[change.after]:
            return replace(change, cause="environment", differences=_differences(before, after))
        same = before.revision == after.revision and not (before.is_dirty or after.is_dirty)
        return replace(change, cause="same revision") if same else change


def _find(
    figures: Sequence[Sequence[float]], metric: str, false_alarms: float, known: Noise | None
) -> list[statistics.Step]:
    return statistics.find(
        figures,
        threshold=METRICS[metric].threshold,
        repeatable=METRICS[metric].repeatable,
        false_alarms=false_alarms,
        prior=known,
    )


def _figures(points: Iterable[Point]) -> list[tuple[float, ...]]:
    return [point.figures for point in points]


def _environments(entries: Sequence[Entry]) -> tuple[int, ...]:
    firsts: list[Entry] = []
    numbers = []
    for entry in entries:
        number = next((place for place, first in enumerate(firsts) if not _differences(first, entry)), len(firsts))
        if number == len(firsts):
            firsts.append(entry)
        numbers.append(number)
    return tuple(numbers)


def _differences(before: Entry, after: Entry) -> tuple[Difference, ...]:
    return differences(before.processes, after.processes)


def _size(change: Change) -> float:
    return abs(change.step.ratio - 1) if change.step else float("inf")
