"""The spread of a series: between the processes of an entry, and between the entries of a level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.special import fdtri

from dig_bench.compare.noise import Noise
from dig_bench.history.autocorrelation import covariance, inflation, lag_1

SIGMAS_PER_MAD = 1 / 0.6745
"""The median absolute deviation of a normal distribution is 0.6745 standard deviations."""

_WINDOW = 5
"""Entries of a running median. A level of three is the majority of the window around each of its entries."""
_CLIPPED_AT = 3.0
"""Robust standard deviations from the running median at which an outlier is clipped."""

_CONTRADICTION = 0.999
"""Quantile of the F distribution above which a series is noisier than the others suggest."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Variance of an entry's mean about its level, its degrees of freedom, and the autocorrelation of entries."""

    variance: float
    degrees: float
    lag_1: float

    def moderated(self, prior: Noise | None) -> Spread:
        """Pools it with the noise of other series, unless this one contradicts them by an F test.

        The series of a history share its days, so all others together weigh no more than the series itself.
        """
        if prior is None or self.degrees == 0:
            return self
        degrees = min(prior.degrees, self.degrees)
        if self.variance > prior.sd**2 * float(fdtri(self.degrees, degrees, _CONTRADICTION)):
            return self
        total = self.degrees + degrees
        variance = (self.variance * self.degrees + prior.sd**2 * degrees) / total
        return replace(self, variance=variance, degrees=total)

    def error(self, before: int, after: int) -> float:
        """Returns the standard error of the difference between the means of two adjacent levels of so many entries."""
        own = inflation(before, self.lag_1) / before + inflation(after, self.lag_1) / after
        return math.sqrt(max(self.variance * (own - 2 * covariance(before, after, self.lag_1)), 0.0))


class Series:
    """Logarithms of one metric of one cell, entry by entry."""

    def __init__(self, values: Sequence[Sequence[float]]) -> None:
        """`values` holds at least one value per entry, one for each process, all positive and finite."""
        self._logs = np.log([value for each in values for value in each])
        self._counts = np.array([len(each) for each in values])
        self.means = np.add.reduceat(self._logs, np.cumsum(self._counts) - self._counts) / self._counts
        """Mean logarithm of each entry."""

    @cached_property
    def process_variance(self) -> float:
        """Variance of an entry's mean that the spread between processes explains; 0 with one process per entry."""
        deviations = self._logs - np.repeat(self.means, self._counts)
        degrees = int(self._counts.sum()) - len(self._counts)
        return float((deviations**2).sum()) / degrees * float((1 / self._counts).mean()) if degrees else 0.0

    @cached_property
    def clipped(self) -> Series:
        """The series without its outliers: entries are clipped to what the five around them suggest."""
        found = copy(self)
        found.means, found.process_variance = clip(self.means), self.process_variance
        return found

    def spread(self, starts: Sequence[int]) -> Spread:
        """Spread of the entries about the levels that start there; without degrees when each level has one entry.

        The variance is at least what the spread between processes explains.
        """
        residuals = [level - level.mean() for level in self.levels(starts)]
        degrees = len(self.means) - len(starts)
        if not degrees:
            return Spread(variance=0.0, degrees=0, lag_1=0.0)
        r = lag_1(residuals)
        # Entries that resemble each other stay closer to their mean than to the true level.
        free = sum(len(level) - inflation(len(level), r) for level in residuals)
        variance = sum(float((level * level).sum()) for level in residuals) / free
        return Spread(variance=max(variance, self.process_variance), degrees=degrees, lag_1=r)

    def levels(self, starts: Sequence[int]) -> list[np.ndarray]:
        """Mean logarithms of the entries of each level."""
        return [self.means[a:b] for a, b in pairwise([*starts, len(self.means)])]


def clip(values: np.ndarray) -> np.ndarray:
    """Clips values to _CLIPPED_AT robust standard deviations from the median of the five entries around each."""
    if len(values) < _WINDOW:
        return values
    inner = np.median(np.lib.stride_tricks.sliding_window_view(values, _WINDOW), axis=1)
    medians = np.pad(inner, _WINDOW // 2, mode="edge")
    reach = _CLIPPED_AT * SIGMAS_PER_MAD * float(np.median(np.abs(values - medians)))
    return medians + np.clip(values - medians, -reach, reach)


def sum_of_squares(values: np.ndarray) -> float:
    """Sum of squared deviations from the mean."""
    return float(((values - values.mean()) ** 2).sum())
