"""Where the level of a series changes: pure statistics on figures of processes, entry by entry.

The unit of evidence is the entry: processes of one entry share the day and the state of the machine. Candidates are the
partition of the entries into levels with the smallest sum of squares plus a penalty a level (Jackson et al., arXiv
math/0309285); unlike binary segmentation it also finds a step up that a step down undoes. A candidate is a
step when a t test says that the difference of levels exceeds what is negligible; the least certain one that fails is
dropped, its levels are merged, and the rest is tested anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtri, stdtr, stdtrit

from dig_bench.compare.decision import CONFIDENCE
from dig_bench.compare.noise import Noise
from dig_bench.results.metrics import Threshold

MIN_FREE = 2
"""Entries for each step, beyond one for each level: cut finely enough, any noise is a series of calm levels. So the
first step needs four entries, each further one three more."""

_SIGMAS_PER_MAD = 1 / 0.6745

_CONTRADICTION = 0.999
"""Quantile of the F distribution above which a series is noisier than the others let expect."""

_LOCATION = -2 * math.log(1 - math.sqrt(CONFIDENCE))
"""By how much twice the log likelihood of the step's true place may fall short of the best one's. On either side of it
that of the other places is a random walk with a drift, whose maximum is exponential (Siegmund, Confidence sets in
change-point problems, 1988)."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Places are indices of entries: the step lies just before `at`; by the noise, before any of `first` to `last`."""

    at: int
    first: int
    last: int
    ratio: float
    """Of the level after over the level before."""
    low: float
    high: float
    entries: tuple[int, int]
    """How many of the level before and of that after."""


def find(
    figures: Sequence[Sequence[float]],
    *,
    threshold: Threshold,
    repeatable: bool = False,
    false_alarms: float = 0.01,
    prior: Noise | None = None,
) -> list[Step]:
    """figures are those of the processes of each entry in order, one at least an entry, positive and finite.

    `false_alarms` is the probability with which a series without any change has a step. `prior` is what other series
    say of the noise of this one's entries. `repeatable` figures, such as allocated memory, have no noise: each change
    beyond the threshold is a step.
    """
    logs = [np.log(np.asarray(each, dtype=np.float64)) for each in figures]
    if len(logs) < 2:
        return []
    means = np.array([each.mean() for each in logs])
    if repeatable:
        starts = _plain_changes(means, threshold)
        return [_step(means, starts, place, 0.0, math.inf) for place in range(1, len(starts))]
    starts = _partition(means, _scale(means, logs, threshold))
    while len(starts) > 1:
        variance, degrees = _moderated(*_noise(means, logs, starts), prior)
        worst, p = max(
            ((place, _p_of(means, starts, place, variance, degrees, threshold)) for place in range(1, len(starts))),
            key=lambda each: each[1],
        )
        # Any place could have been the step's.
        if p * (len(means) - 1) <= false_alarms and len(means) - len(starts) >= MIN_FREE * (len(starts) - 1):
            return [_step(means, starts, place, variance, degrees) for place in range(1, len(starts))]
        del starts[worst]
    return []


def noise(figures: Sequence[Sequence[float]], steps: Sequence[Step]) -> tuple[float, int]:
    """Variance of the mean log figure of an entry about its level, and its degrees of freedom."""
    logs = [np.log(np.asarray(each, dtype=np.float64)) for each in figures]
    variance, degrees = _noise(np.array([each.mean() for each in logs]), logs, [0, *(step.at for step in steps)])
    return variance, degrees


def level_change(
    before: Sequence[Sequence[float]],
    after: Sequence[Sequence[float]],
    *,
    threshold: Threshold,
    repeatable: bool = False,
    false_alarms: float = 0.01,
    prior: Noise | None = None,
) -> Step | None:
    """The step at a place that is known beforehand, between two levels; None when there is none."""
    logs = [np.log(np.asarray(each, dtype=np.float64)) for each in (*before, *after)]
    means = np.array([each.mean() for each in logs])
    starts = [0, len(before)]
    if repeatable:
        variance, degrees = 0.0, math.inf
    elif len(means) - len(starts) < MIN_FREE:
        return None
    else:
        variance, degrees = _moderated(*_noise(means, logs, starts), prior)
    if _p_of(means, starts, 1, variance, degrees, threshold) > false_alarms:
        return None
    return _step(means, starts, 1, variance, degrees)


def _partition(means: np.ndarray, scale: float) -> list[int]:
    """Where the levels start, the first at 0: the best partition of all, by dynamic programming."""
    count = len(means)
    penalty = 3 * math.log(max(count, 3)) * scale**2
    sums, squares = (np.concatenate([[0.0], np.cumsum(values)]) for values in (means, means**2))
    best, previous = np.zeros(count + 1), np.zeros(count + 1, dtype=int)
    best[0] = -penalty
    for stop in range(1, count + 1):
        starts = np.arange(stop)
        within = squares[stop] - squares[:stop] - (sums[stop] - sums[:stop]) ** 2 / (stop - starts)
        costs = best[:stop] + within + penalty
        previous[stop] = int(costs.argmin())
        best[stop] = costs[previous[stop]]
    stop, found = count, []
    while stop > 0:
        stop = int(previous[stop])
        found.append(stop)
    return found[::-1]


def _scale(means: np.ndarray, logs: Sequence[np.ndarray], threshold: Threshold) -> float:
    """Rough standard deviation of an entry's mean, unmoved by a few steps, and not below what is negligible anyway."""
    differences = np.abs(np.diff(means))
    spread = float(np.median(differences)) * _SIGMAS_PER_MAD / math.sqrt(2)
    negligible = threshold.log_limit(math.exp(float(np.median(means))))
    return max(spread, math.sqrt(_process_variance(logs)), negligible / 4)


def _noise(means: np.ndarray, logs: Sequence[np.ndarray], starts: Sequence[int]) -> tuple[float, int]:
    """Variance of an entry's mean about its level, no less than the spread of its processes explains, and its degrees of
    freedom; 0 of them without an entry to spare."""
    stops = [*starts[1:], len(means)]
    squares = sum(_squares(means[a:b]) for a, b in zip(starts, stops, strict=True))
    degrees = len(means) - len(starts)
    return (max(squares / degrees, _process_variance(logs)), degrees) if degrees else (0.0, 0)


def _moderated(variance: float, degrees: float, prior: Noise | None) -> tuple[float, float]:
    """With what other series say, unless this one contradicts it."""
    if prior is None or degrees == 0:
        return variance, degrees
    if variance > prior.sd**2 * float(fdtri(degrees, prior.degrees, _CONTRADICTION)):
        return variance, degrees
    total = degrees + prior.degrees
    return (variance * degrees + prior.sd**2 * prior.degrees) / total, total


def _process_variance(logs: Sequence[np.ndarray]) -> float:
    """Of an entry's mean, were the noise between processes all that there is; 0 when each entry has one process."""
    squares = sum(_squares(each) for each in logs)
    degrees = sum(len(each) - 1 for each in logs)
    mean_reciprocal = sum(1 / len(each) for each in logs) / len(logs)
    return squares / degrees * mean_reciprocal if degrees else 0.0


def _p_of(
    means: np.ndarray, starts: Sequence[int], place: int, variance: float, degrees: float, threshold: Threshold
) -> float:
    """Probability of a difference as large as that at a boundary, were the true one the largest negligible one."""
    before, after = _levels(means, starts, place)
    excess = abs(after.mean() - before.mean()) - threshold.log_limit(math.exp(before.mean()))
    error = math.sqrt(variance * (1 / len(before) + 1 / len(after)))
    if degrees == 0 or error == 0:
        return 0.0 if degrees and excess > 0 else 1.0
    # In either direction.
    return min(2 * float(stdtr(degrees, -excess / error)), 1.0)


def _step(means: np.ndarray, starts: Sequence[int], place: int, variance: float, degrees: float) -> Step:
    before, after = _levels(means, starts, place)
    difference = float(after.mean() - before.mean())
    error = math.sqrt(variance * (1 / len(before) + 1 / len(after)))
    margin = float(stdtrit(degrees, (1 + CONFIDENCE) / 2)) * error if error else 0.0
    at = starts[place]
    both, first = np.concatenate([before, after]), at - len(before)
    costs = np.array([_squares(both[:cut]) + _squares(both[cut:]) for cut in range(1, len(both))])
    as_good = np.flatnonzero(costs <= costs[len(before) - 1] + _LOCATION * variance) + first + 1
    return Step(
        at=at,
        first=min(int(as_good.min()), at) if variance else at,
        last=max(int(as_good.max()), at) if variance else at,
        ratio=math.exp(difference),
        low=math.exp(difference - margin),
        high=math.exp(difference + margin),
        entries=(len(before), len(after)),
    )


def _levels(means: np.ndarray, starts: Sequence[int], place: int) -> tuple[np.ndarray, np.ndarray]:
    stop = starts[place + 1] if place + 1 < len(starts) else len(means)
    return means[starts[place - 1] : starts[place]], means[starts[place] : stop]


def _plain_changes(means: np.ndarray, threshold: Threshold) -> list[int]:
    """A level ends where a figure is farther from its first one than what is negligible."""
    starts = [0]
    for place, mean in enumerate(means):
        level = means[starts[-1]]
        if abs(mean - level) > threshold.log_limit(math.exp(level)):
            starts.append(place)
    return starts


def _squares(values: np.ndarray) -> float:
    return float(((values - values.mean()) ** 2).sum())
