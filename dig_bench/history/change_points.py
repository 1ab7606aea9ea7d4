"""Change points: where the level of a series changes. Pure statistics on values of processes, entry by entry.

The unit of evidence is the entry: the processes of one entry share a day and a state of the machine. A split of the
entries into levels is proposed, and each boundary between two of them tested. The least certain boundary that fails is
dropped, its levels are merged, and the others are tested again.

A boundary must pass two tests: a rank test, and a t test with outliers clipped. A change of more than LARGE negligible
differences, which is more than the modes of a noise usually differ by, may instead pass a t test with outliers as they
are: so few entries as 4 and 4 cannot pass the rank test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import stdtrit

from dig_bench.compare.decision import CONFIDENCE
from dig_bench.compare.noise import Noise
from dig_bench.history.boundary import rank_p_value, t_p_value
from dig_bench.history.levels import MIN_LEVEL, candidate_starts, exact_starts, num_splits
from dig_bench.history.spread import Series, Spread, sum_of_squares
from dig_bench.results.metrics import Threshold

LARGE = 3.0
"""Negligible differences beyond which a t test of the entries as they are suffices."""

_EXACT = Spread(variance=0.0, degrees=math.inf, lag_1=0.0)

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
    `false_alarms` limits the probability that a series without a change has a change point. `prior` is the noise that
    other series suggest. `repeatable` values, such as allocated memory, have no noise: each change beyond the threshold
    is a change point, even of one entry.
    """
    if len(values) < 2:
        return []
    series = Series(values)
    if repeatable:
        return _all(series, exact_starts(series, threshold), _EXACT)
    if len(values) < 2 * MIN_LEVEL or _is_flat(series, threshold):
        return []
    starts = candidate_starts(series, threshold)
    while len(starts) > 1:
        tested = _p_values(series, starts, prior, threshold)
        worst = max(range(len(tested)), key=tested.__getitem__)
        if tested[worst] <= false_alarms:
            return _all(series, starts, series.spread(starts).moderated(prior))
        del starts[worst + 1]
    return []


def noise(values: Sequence[Sequence[float]], found: Sequence[ChangePoint]) -> tuple[float, int]:
    """Variance of an entry's mean logarithm about its level, and its degrees of freedom. Allows for autocorrelation."""
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
    if repeatable:
        one, other = series.levels(starts)
        is_changed = abs(other.mean() - one.mean()) > threshold.log_limit(math.exp(one.mean()))
        return _change_point(series, starts, 1, _EXACT) if is_changed else None
    if (
        min(len(before), len(after)) < MIN_LEVEL
        or _p_values(series, starts, prior, threshold, is_known=True)[0] > false_alarms
    ):
        return None
    return _change_point(series, starts, 1, series.spread(starts).moderated(prior))


def _is_flat(series: Series, threshold: Threshold) -> bool:
    """True if no two entries differ by more than the negligible difference, so that no levels can."""
    lowest, highest = float(series.means.min()), float(series.means.max())
    return highest - lowest <= threshold.log_limit(math.exp(highest))


def _p_values(
    series: Series, starts: Sequence[int], prior: Noise | None, threshold: Threshold, *, is_known: bool = False
) -> list[float]:
    """Probability, for each boundary, that noise alone has one as clear somewhere in the series.

    The t tests are corrected for the number of splits into so many levels, the rank test for the number of places of
    one boundary, unless the place `is_known` beforehand.
    """
    count = len(series.means)
    splits, places = (1.0, 1.0) if is_known else (num_splits(count, len(starts)), num_splits(count, 2))
    spread, clipped_spread = (each.spread(starts).moderated(prior) for each in (series, series.clipped))
    found = []
    for (before, after), clipped in zip(
        pairwise(series.levels(starts)), pairwise(series.clipped.levels(starts)), strict=True
    ):
        limit = threshold.log_limit(math.exp(before.mean()))
        p = splits * t_p_value(*clipped, clipped_spread, limit)
        # The rank test takes longest, and cannot lower the value.
        p = max(p, places * rank_p_value(before, after, limit)) if p < 1 else 1.0
        if limit and abs(after.mean() - before.mean()) > LARGE * limit:
            p = min(p, splits * t_p_value(before, after, spread, limit))
        found.append(min(p, 1.0))
    return found


def _all(series: Series, starts: Sequence[int], spread: Spread) -> list[ChangePoint]:
    return [_change_point(series, starts, place, spread) for place in range(1, len(starts))]


def _change_point(series: Series, starts: Sequence[int], place: int, spread: Spread) -> ChangePoint:
    levels = series.levels(starts)
    before, after = levels[place - 1], levels[place]
    difference = float(after.mean() - before.mean())
    error = spread.error(len(before), len(after))
    margin = float(stdtrit(spread.degrees, (1 + CONFIDENCE) / 2)) * error if error else 0.0
    first, last = _range(before, after, starts[place], spread)
    return ChangePoint(
        at=starts[place],
        first=first,
        last=last,
        ratio=_exp(difference),
        low=_exp(difference - margin),
        high=_exp(difference + margin),
        entries=(len(before), len(after)),
    )


def _exp(logarithm: float) -> float:
    """The exponential, kept finite."""
    return math.exp(min(logarithm, 709.0))


def _range(before: np.ndarray, after: np.ndarray, at: int, spread: Spread) -> tuple[int, int]:
    """First and last place at which the noise allows the change."""
    if not spread.variance:
        return at, at
    both, offset = np.concatenate([before, after]), at - len(before)
    costs = np.array([sum_of_squares(both[:cut]) + sum_of_squares(both[cut:]) for cut in range(1, len(both))])
    as_good = np.flatnonzero(costs <= costs[len(before) - 1] + _LOCATION * spread.variance) + offset + 1
    return min(int(as_good.min()), at), max(int(as_good.max()), at)
