"""Statistics of timing samples: medians, and an interval of the median that allows for autocorrelation.

Latencies are skewed and have outliers, so these are order statistics, not means. Consecutive samples resemble each
other (clocks, temperature, the host): n of them tell less than n independent ones, and the interval says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95

_QUANTILE = 1.959964
"""Quantile of the normal distribution for a two-sided interval at CONFIDENCE."""

OUTLIER_SIGMAS = 5.0

_SIGMAS_PER_MAD = 1 / 0.6745
"""The median absolute deviation of a normal distribution is 0.6745 standard deviations."""

MIN_BATCHED = 48
"""Fewest samples whose batch means show slow variations."""

_BEYOND = 1.2
"""Widens an interval whose ends are not order statistics; see `benchmarks/measure/median_interval.py`."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Summary of samples, in their unit. The interval is that of the median; None for fewer than two samples."""

    median: float
    p05: float
    p95: float
    ci_low: float | None
    ci_high: float | None
    num_samples: int
    num_outliers: int

    @property
    def half_width(self) -> float | None:
        """Larger half of the interval as a share of the median."""
        if self.ci_low is None or self.ci_high is None:
            return None
        return max(self.ci_high - self.median, self.median - self.ci_low) / self.median


def summarise(samples: Sequence[float]) -> Summary:
    """Summarises samples, given in the order in which they were taken. Raises ValueError if there are none."""
    if not len(samples):
        raise ValueError("no samples to summarise")
    values = np.asarray(samples, dtype=np.float64)
    p05, median, p95 = (float(value) for value in np.percentile(values, [5, 50, 95]))
    interval = median_interval(values)
    return Summary(
        median=median,
        p05=p05,
        p95=p95,
        ci_low=interval[0] if interval else None,
        ci_high=interval[1] if interval else None,
        num_samples=len(values),
        num_outliers=int(is_outlier(values).sum()),
    )


def median_interval(samples: Sequence[float] | NDArray[np.float64]) -> tuple[float, float] | None:
    """Returns the interval of the median at CONFIDENCE, of samples in the order in which they were taken.

    The number of samples below the median has a standard deviation of sqrt(n * inflation) / 2, with the inflation of
    `variance_inflation`. The interval runs between the order statistics at that many standard deviations from the
    middle. If these lie outside the samples, as they do for few of them, the interval extends the distance of the 5th
    and 95th percentiles from the median in proportion. Returns None for fewer than two samples.
    """
    values = np.asarray(samples, dtype=np.float64)
    count = len(values)
    if count < 2:
        return None
    ordered = np.sort(values)
    distance = _QUANTILE * math.sqrt(count * variance_inflation(values)) / 2
    lowest = math.floor(count / 2 - distance) - 1
    if lowest >= 0:
        return float(ordered[lowest]), float(ordered[count - 1 - lowest])
    p05, median, p95 = (float(value) for value in np.percentile(ordered, [5, 50, 95]))
    half = max(p95 - median, median - p05) * max(distance / ((count - 1) / 2), 1.0) * _BEYOND
    # Timings are positive, and so is the lower end of their interval.
    low = median - half if half < median / 2 or median <= 0 else median * median / (median + half)
    return low, median + half


def variance_inflation(samples: Sequence[float] | NDArray[np.float64]) -> float:
    """Returns by which factor autocorrelation inflates the variance of the median: n / inflation samples are effective.

    It is the larger of two estimates from the ranks of the samples. The first is (1 + r) / (1 - r), where r is the
    lag-1 autocorrelation, corrected for its bias (Kendall 1954) and raised by one standard error, but not below
    0.9 exp(-(n - 6) / 30), which so short a series can hide. The second, from MIN_BATCHED samples, is the variance of
    batch means relative to that of independent samples.
    """
    count = len(samples)
    ranks = np.argsort(np.argsort(np.asarray(samples), kind="stable"), kind="stable") - (count - 1) / 2
    squares = float((ranks * ranks).sum())
    lag_1 = float((ranks[1:] * ranks[:-1]).sum()) / squares if squares else 0.0
    lag_1 = min(max(lag_1 + (1 + 4 * lag_1) / count, 0.0), 0.99)
    hidden = 0.9 * math.exp(-(count - 6) / 30)
    r = min(max(lag_1 + math.sqrt((1 - lag_1 * lag_1) / count), hidden), 0.98)
    inflation = (1 + r) / (1 - r)
    if count < MIN_BATCHED:
        return inflation
    return max(inflation, *(_batch_inflation(ranks, size) for size in (math.isqrt(count), count // 8)))


def _batch_inflation(ranks: NDArray[np.floating], size: int) -> float:
    batches = len(ranks) // size
    means = ranks[: batches * size].reshape(batches, size).mean(axis=1)
    return float(means.var(ddof=1) * size / ranks.var())


def is_outlier(samples: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns which samples exceed the median by more than OUTLIER_SIGMAS robust standard deviations.

    Outliers are counted, never dropped: a slow call is a fact about the machine.
    """
    values = np.asarray(samples, dtype=np.float64)
    median = np.median(values)
    sigma = _SIGMAS_PER_MAD * np.median(np.abs(values - median))
    outliers: np.ndarray = values > median + OUTLIER_SIGMAS * sigma
    return outliers
