"""Change points: where the level of a series changes. Pure statistics on values of processes, entry by entry.

The unit of evidence is the entry: the processes of one entry share a day and a state of the machine. A boundary between
two candidate levels is a change point when a t test finds that the levels differ by more than the negligible
difference. The least certain boundary that fails is dropped, its levels are merged, and the others are tested again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from dig_bench.compare.decision import CONFIDENCE
from dig_bench.compare.noise import Noise
from dig_bench.history.levels import candidate_starts, exact_starts
from dig_bench.history.spread import Series, Spread, sum_of_squares
from dig_bench.results.metrics import Threshold

MIN_FREE = 2
"""Entries needed for each change point, beyond one for each level: cut finely enough, any noise is a series of quiet
levels. The first change point needs four entries, each further one three more."""

_EXACT = Spread(variance=0.0, degrees=math.inf)

_LOCATION = -2 * math.log(1 - math.sqrt(CONFIDENCE))
"""Largest shortfall of the true place's log likelihood, doubled, from that of the best place. On either side of the
true place the log likelihood is a random walk with a drift, whose maximum is exponential (Siegmund, Confidence sets in
change-point problems, 1988)."""


@dataclass(frozen=True, kw_only=True)
class ChangePoint:
    """A change of level. Places are indices of entries."""

    at: int
    """First entry of the new level."""
    first: int
    last: int
    """The noise allows the new level to start at any entry from `first` to `last`."""
    ratio: float
    """Level after over level before."""
    low: float
    high: float
    entries: tuple[int, int]
    """Numbers of entries of the level before and of the level after."""


def find(
    values: Sequence[Sequence[float]],
    *,
    threshold: Threshold,
    repeatable: bool = False,
    false_alarms: float = 0.01,
    prior: Noise | None = None,
) -> list[ChangePoint]:
    """Finds the change points of a series.

    `values` holds the values of the processes of each entry in order, at least one per entry, positive and finite.
    `false_alarms` is the probability that a series without a change has a change point. `prior` is the noise that other
    series suggest. `repeatable` values, such as allocated memory, have no noise: each change beyond the threshold is a
    change point.
    """
    if len(values) < 2:
        return []
    series = Series(values)
    if repeatable:
        return _all(series, exact_starts(series, threshold), _EXACT)
    starts = candidate_starts(series, threshold)
    while len(starts) > 1:
        spread = series.spread(starts).moderated(prior)
        worst, p = max(
            ((place, _p_value(series, starts, place, spread, threshold)) for place in range(1, len(starts))),
            key=lambda each: each[1],
        )
        count = len(values)
        # Corrected for the number of places at which a change point could be.
        if p * (count - 1) <= false_alarms and count - len(starts) >= MIN_FREE * (len(starts) - 1):
            return _all(series, starts, spread)
        del starts[worst]
    return []


def noise(values: Sequence[Sequence[float]], found: Sequence[ChangePoint]) -> tuple[float, int]:
    """Variance of an entry's mean logarithm about its level, and its degrees of freedom."""
    spread = Series(values).spread([0, *(each.at for each in found)])
    return spread.variance, int(spread.degrees)


def level_change(
    before: Sequence[Sequence[float]],
    after: Sequence[Sequence[float]],
    *,
    threshold: Threshold,
    repeatable: bool = False,
    false_alarms: float = 0.01,
    prior: Noise | None = None,
) -> ChangePoint | None:
    """Tests a place that is known beforehand, between two levels. Returns None when the level does not change there."""
    series = Series([*before, *after])
    starts = [0, len(before)]
    if not repeatable and len(series.means) - len(starts) < MIN_FREE:
        return None
    spread = _EXACT if repeatable else series.spread(starts).moderated(prior)
    if _p_value(series, starts, 1, spread, threshold) > false_alarms:
        return None
    return _change_point(series, starts, 1, spread)


def _p_value(series: Series, starts: Sequence[int], place: int, spread: Spread, threshold: Threshold) -> float:
    """Two-sided probability of a difference as large as that at a boundary if the true one were just negligible."""
    before, after = series.beside(starts, place)
    excess = abs(after.mean() - before.mean()) - threshold.log_limit(math.exp(before.mean()))
    error = math.sqrt(spread.variance * (1 / len(before) + 1 / len(after)))
    if spread.degrees == 0 or error == 0:
        return 0.0 if spread.degrees and excess > 0 else 1.0
    return min(2 * float(stdtr(spread.degrees, -excess / error)), 1.0)


def _all(series: Series, starts: Sequence[int], spread: Spread) -> list[ChangePoint]:
    return [_change_point(series, starts, place, spread) for place in range(1, len(starts))]


def _change_point(series: Series, starts: Sequence[int], place: int, spread: Spread) -> ChangePoint:
    before, after = series.beside(starts, place)
    difference = float(after.mean() - before.mean())
    error = math.sqrt(spread.variance * (1 / len(before) + 1 / len(after)))
    margin = float(stdtrit(spread.degrees, (1 + CONFIDENCE) / 2)) * error if error else 0.0
    first, last = _range(before, after, starts[place], spread)
    return ChangePoint(
        at=starts[place],
        first=first,
        last=last,
        ratio=math.exp(difference),
        low=math.exp(difference - margin),
        high=math.exp(difference + margin),
        entries=(len(before), len(after)),
    )


def _range(before: np.ndarray, after: np.ndarray, at: int, spread: Spread) -> tuple[int, int]:
    """First and last place at which the noise allows the change."""
    if not spread.variance:
        return at, at
    both, offset = np.concatenate([before, after]), at - len(before)
    costs = np.array([sum_of_squares(both[:cut]) + sum_of_squares(both[cut:]) for cut in range(1, len(both))])
    as_good = np.flatnonzero(costs <= costs[len(before) - 1] + _LOCATION * spread.variance) + offset + 1
    return min(int(as_good.min()), at), max(int(as_good.max()), at)
