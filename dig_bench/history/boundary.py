"""Tests of one boundary: does the level change there by more than the negligible difference?

The t test compares the change with the spread between entries, with a standard error that allows for autocorrelation.
The rank test holds for any distribution of independent entries, such as one with heavy tails or two modes, but so few
entries as 4 and 4 cannot pass it. `change_points` says which of them a change must pass.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtr

from dig_bench.history.levels import MIN_LEVEL, num_splits
from dig_bench.history.spread import Spread, sum_of_squares


def t_p_value(before: np.ndarray, after: np.ndarray, spread: Spread, limit: float) -> float:
    """Two-sided probability of so large a difference of means if the true one were `limit`.

    `before` and `after` are mean logarithms of the entries of two adjacent levels.
    """
    excess = abs(float(after.mean() - before.mean())) - limit
    if excess <= 0 or not spread.degrees:
        return 1.0
    error = spread.error(len(before), len(after))
    return 2 * float(stdtr(spread.degrees, -excess / error)) if error else 0.0


def rank_p_value(before: np.ndarray, after: np.ndarray, limit: float) -> float:
    """Two-sided probability of ranks that differ as much if the true difference were `limit`.

    A t test of the ranks (Conover and Iman 1981), but not below the exact probability that two levels lie apart.
    """
    both = np.concatenate([before, after - math.copysign(limit, float(np.median(after) - np.median(before)))])
    ordered = np.sort(both)
    ranks = (np.searchsorted(ordered, both, "left") + np.searchsorted(ordered, both, "right")) / 2
    one, other = ranks[: len(before)], ranks[len(before) :]
    degrees = len(both) - 2
    variance = (sum_of_squares(one) + sum_of_squares(other)) / degrees
    difference = abs(float(other.mean() - one.mean()))
    lowest = _lowest_p_value(len(before), len(after))
    if not variance:
        return lowest if difference else 1.0
    t = difference / math.sqrt(variance * (1 / len(one) + 1 / len(other)))
    return max(2 * float(stdtr(degrees, -t)), lowest)


def fewest_entries(false_alarms: float) -> int:
    """Fewest entries of a series in whose middle a change can pass the rank test."""
    count = 2 * MIN_LEVEL
    while _lowest_p_value(count // 2, count - count // 2) * num_splits(count, 2) > false_alarms:
        count += 1
    return count


def _lowest_p_value(before: int, after: int) -> float:
    """Probability that all of the one level lie beyond all of the other by chance."""
    return min(2 / math.comb(before + after, before), 1.0)
