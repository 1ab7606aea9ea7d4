"""Autocorrelation between entries: consecutive ones resemble each other, so n of them say less than n independent ones.

The noise is taken for a first-order autoregressive process, AR(1), whose lag-1 autocorrelation is estimated from the
residuals of the levels and raised, because a short series hides it. This is how `dig_bench.measure.statistics` treats
the samples within a process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

RAISED_BY = 2.0
"""Standard errors that are added to the estimate."""

HIGHEST = 0.95

_HIDDEN = 0.9
"""Autocorrelation that the shortest series are taken to have."""

_FADES_OVER = 60
"""Number of entries over which that assumption fades by a factor of e."""


def lag_1(residuals: Sequence[np.ndarray]) -> float:
    """Returns the lag-1 autocorrelation of the residuals of consecutive levels, raised to what they may hide.

    It is corrected for its bias, (1 + 4r) / n for each level's mean (Kendall 1954), and raised by RAISED_BY standard
    errors. It is at least 0.9 exp(-(n - 6) / 60) and at most HIGHEST.
    """
    count = sum(len(each) for each in residuals)
    squares = sum(float((each * each).sum()) for each in residuals)
    r = sum(float((each[1:] * each[:-1]).sum()) for each in residuals) / squares if squares else 0.0
    r = min(max(r + len(residuals) * (1 + 4 * r) / count, 0.0), 0.99)
    hidden = _HIDDEN * math.exp(-max(count - 6, 0) / _FADES_OVER)
    return min(max(r + RAISED_BY * math.sqrt((1 - r * r) / count), hidden), HIGHEST)


def inflation(count: int, r: float) -> float:
    """Returns by which factor autocorrelation inflates the variance of the mean of `count` consecutive entries."""
    return (1 + r) / (1 - r) - 2 * r * (1 - r**count) / (count * (1 - r) ** 2)


def covariance(before: int, after: int, r: float) -> float:
    """Returns the covariance of the means of two adjacent levels of so many entries, in variances of an entry."""
    return float(r * (1 - r**before) * (1 - r**after) / ((1 - r) ** 2 * before * after))
