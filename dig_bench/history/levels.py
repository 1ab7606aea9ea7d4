"""Candidate levels of a series: the split of its entries that fits best, before any test."""

from __future__ import annotations

import math

import numpy as np

from dig_bench.history.spread import SIGMAS_PER_MAD, Series
from dig_bench.results.metrics import Threshold

MIN_LEVEL = 3
"""Fewest entries of a level: one or two slow entries are outliers, not a level."""


def candidate_starts(series: Series, threshold: Threshold) -> list[int]:
    """Indices of the entries at which the candidate levels start, the first at 0. Outliers are clipped first.

    Minimizes the sum of squares plus a penalty per level over all splits into levels of at least MIN_LEVEL entries, by
    dynamic programming (Jackson et al., arXiv math/0309285). Unlike binary segmentation this also finds a rise that a
    fall undoes soon after.
    """
    means, count = series.clipped.means, len(series.means)
    penalty = 3 * math.log(max(count, 3)) * _scale(series, threshold) ** 2
    sums, squares = (np.concatenate([[0.0], np.cumsum(values)]) for values in (means, means**2))
    best, previous = np.full(count + 1, math.inf), np.zeros(count + 1, dtype=int)
    best[0] = -penalty
    for stop in range(MIN_LEVEL, count + 1):
        starts = np.arange(stop - MIN_LEVEL + 1)
        within = squares[stop] - squares[starts] - (sums[stop] - sums[starts]) ** 2 / (stop - starts)
        costs = best[starts] + within + penalty
        previous[stop] = int(costs.argmin())
        best[stop] = costs[previous[stop]]
    stop, found = count, []
    while stop > 0:
        stop = int(previous[stop])
        found.append(stop)
    return found[::-1]


def num_splits(entries: int, levels: int) -> float:
    """Number of ways to split so many entries into so many levels of at least MIN_LEVEL entries, at most 1e300."""
    free = entries - MIN_LEVEL * levels
    return float(min(math.comb(free + levels - 1, levels - 1), 10**300)) if free >= 0 else 0.0


def exact_starts(series: Series, threshold: Threshold) -> list[int]:
    """Indices at which the levels of a metric without noise start: where a value leaves its level's threshold."""
    starts = [0]
    for place, mean in enumerate(series.means):
        level = series.means[starts[-1]]
        if abs(mean - level) > threshold.log_limit(math.exp(level)):
            starts.append(place)
    return starts


def _scale(series: Series, threshold: Threshold) -> float:
    """Rough standard deviation of an entry's mean, robust to a few change points.

    It is at least the spread that the processes explain and a quarter of the negligible difference.
    """
    differences = np.abs(np.diff(series.means))
    spread = float(np.median(differences)) * SIGMAS_PER_MAD / math.sqrt(2)
    negligible = threshold.log_limit(math.exp(float(np.median(series.means))))
    return max(spread, math.sqrt(series.process_variance), negligible / 4)
