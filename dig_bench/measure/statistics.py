"""Statistics of latencies. They are skewed and have outliers, so these are order statistics, not means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CONFIDENCE = 0.95

OUTLIER_SIGMAS = 5.0

# The median absolute deviation of a normal distribution is 0.6745 standard deviations.
_SIGMAS_PER_MAD = 1 / 0.6745


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Summary of samples, in their unit. The interval is that of the median; None if there are too few samples."""

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
    """Summarises samples. Raises ValueError if there are none."""
    if not len(samples):
        raise ValueError("no samples to summarise")
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    p05, median, p95 = (float(value) for value in np.percentile(ordered, [5, 50, 95]))
    ranks = median_ranks(len(ordered))
    return Summary(
        median=median,
        p05=p05,
        p95=p95,
        ci_low=float(ordered[ranks[0]]) if ranks else None,
        ci_high=float(ordered[ranks[1]]) if ranks else None,
        num_samples=len(ordered),
        num_outliers=int(is_outlier(ordered).sum()),
    )


@lru_cache(maxsize=4096)
def median_ranks(count: int) -> tuple[int, int] | None:
    """Returns the indices into `count` sorted samples that bound the interval of the median at CONFIDENCE.

    Distribution-free: the number of samples below the median is binomial with p = 1/2, so the interval from the k-th
    smallest to the k-th largest sample misses the median with probability 2 P(fewer than k below). Returns the
    narrowest such interval, or None below 6 samples, where even the whole range misses the median too often.
    """
    ways, fewer_than, rank = 1, 0, 0
    while (fewer_than + ways) * 2 <= (1 - CONFIDENCE) * 2**count:
        fewer_than += ways
        ways = ways * (count - rank) // (rank + 1)
        rank += 1
    return (rank - 1, count - rank) if rank else None


def is_outlier(samples: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns which samples exceed the median by more than OUTLIER_SIGMAS robust standard deviations.

    Outliers are counted, never dropped: a slow call is a fact about the machine.
    """
    values = np.asarray(samples, dtype=np.float64)
    median = np.median(values)
    sigma = _SIGMAS_PER_MAD * np.median(np.abs(values - median))
    outliers: np.ndarray = values > median + OUTLIER_SIGMAS * sigma
    return outliers
