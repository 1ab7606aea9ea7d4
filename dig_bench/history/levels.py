"""Candidate levels of a series: the split of its entries that fits best, before any test."""

from __future__ import annotations

import math

import numpy as np

from dig_bench.history.spread import Series
from dig_bench.results.metrics import Threshold

_SIGMAS_PER_MAD = 1 / 0.6745


def candidate_starts(series: Series, threshold: Threshold) -> list[int]:
    """Indices of the entries at which the candidate levels start, the first at 0.

    Minimizes the sum of squares plus a penalty per level over all splits, by dynamic programming (Jackson et al., arXiv
    math/0309285). Unlike binary segmentation this also finds a rise that a fall undoes soon after.
    """
    means, count = series.means, len(series.means)
    penalty = 3 * math.log(max(count, 3)) * _scale(series, threshold) ** 2
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
    spread = float(np.median(differences)) * _SIGMAS_PER_MAD / math.sqrt(2)
    negligible = threshold.log_limit(math.exp(float(np.median(series.means))))
    return max(spread, math.sqrt(series.process_variance), negligible / 4)
