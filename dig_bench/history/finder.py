"""Finds the changes of one metric, in the points of one cell after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from dig_bench.cell import Key
from dig_bench.compare.noise import Noise, prior
from dig_bench.history import change_points
from dig_bench.history.change_points import ChangePoint
from dig_bench.history.changes import Change, Point
from dig_bench.history.environments import Environments
from dig_bench.history.levels import MIN_LEVEL
from dig_bench.results.metrics import METRICS

Track = Sequence[Point]
"""Points of one cell in one environment, all with values. Only within one environment is a change one of the code."""


@dataclass(frozen=True, kw_only=True)
class Finder:
    """Finds changes of one metric."""

    environments: Environments
    metric: str
    false_alarms: float
    """Limit of the probability that one test finds a change point where there is no change."""
    prior: Noise | None = None
    """Noise of the metric's series, as far as all of them together suggest it."""

    def informed(self, cells: Iterable[Sequence[Point]]) -> Finder:
        """The same finder, with the noise of these cells' points as its prior."""
        tracks = (track for points in cells for track in self._tracks(points) if len(track) > 1)
        return replace(self, prior=prior([change_points.noise(_values(each), self._find(each)) for each in tracks]))

    def num_tests(self, points: Iterable[Point]) -> int:
        """Number of tests that may find a change in the points of a cell: of each environment, and between two."""
        lengths = [len(track) for track in self._tracks(points)]
        within = sum(length >= 2 * MIN_LEVEL for length in lengths)
        return within + sum(min(pair) >= MIN_LEVEL for pair in pairwise(lengths))

    def changes(self, key: Key, points: Sequence[Point]) -> list[Change]:
        """All changes in the points of a cell, by their place."""
        tracks = self._tracks(points)
        found = [*self._within(key, tracks), *self._between(key, tracks), *self._of_status(key, points)]
        return sorted(found, key=lambda change: change.at)

    def _tracks(self, points: Iterable[Point]) -> list[list[Point]]:
        tracks: dict[int, list[Point]] = {}
        for point in points:
            if point.values:
                tracks.setdefault(self.environments.numbers[point.entry], []).append(point)
        return list(tracks.values())

    def _within(self, key: Key, tracks: Iterable[Track]) -> Iterator[Change]:
        for track in tracks:
            for found in self._find(track):
                yield self._change(key, track, found)

    def _between(self, key: Key, tracks: Sequence[Track]) -> Iterator[Change]:
        """Changes from the last level of one environment to the first of the next, where the two do not overlap."""
        for before, after in pairwise(tracks):
            if before[-1].entry > after[0].entry:
                continue
            starts, stops = ([each.at for each in self._find(track)] for track in (before, after))
            left, right = before[starts[-1] if starts else 0 :], after[: stops[0] if stops else None]
            found = change_points.level_change(_values(left), _values(right), **self._criteria)
            if found:
                yield self._change(key, [*left, *right], found)

    def _of_status(self, key: Key, points: Sequence[Point]) -> Iterator[Change]:
        for one, other in pairwise(points):
            if bool(one.values) != bool(other.values):
                yield self._explained(
                    Change(
                        key=key,
                        metric="",
                        at=other.entry,
                        before=one.entry,
                        after=other.entry,
                        cause="revision",
                        point=None,
                        statuses=(one.status, other.status),
                    )
                )

    def _find(self, track: Track) -> list[ChangePoint]:
        return change_points.find(_values(track), **self._criteria)

    @property
    def _criteria(self) -> dict[str, Any]:
        metric = METRICS[self.metric]
        return {
            "threshold": metric.threshold,
            "repeatable": metric.repeatable,
            "false_alarms": self.false_alarms,
            "prior": self.prior,
        }

    def _change(self, key: Key, track: Track, found: ChangePoint) -> Change:
        return self._explained(
            Change(
                key=key,
                metric=self.metric,
                at=track[found.at].entry,
                before=track[found.first - 1].entry,
                after=track[found.last].entry,
                cause="revision",
                point=found,
                statuses=(track[found.at - 1].status, track[found.at].status),
            )
        )

    def _explained(self, change: Change) -> Change:
        """The change with its cause."""
        numbers, entries = self.environments.numbers, self.environments.entries
        before, after = entries[change.before], entries[change.after]
        if numbers[change.before] != numbers[change.after]:
            differences = self.environments.differences(change.before, change.after)
            return replace(change, cause="environment", differences=differences)
        same = before.revision == after.revision and not (before.is_dirty or after.is_dirty)
        return replace(change, cause="same revision") if same else change


def _values(track: Track) -> list[tuple[float, ...]]:
    return [point.values for point in track]
