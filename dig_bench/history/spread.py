"""The spread of a series: between the processes of an entry, and between the entries of a level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.special import fdtri

from dig_bench.compare.noise import Noise

_CONTRADICTION = 0.999
"""Quantile of the F distribution above which a series is noisier than the others suggest."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Variance of an entry's mean about its level, and its degrees of freedom."""

    variance: float
    degrees: float

    def moderated(self, prior: Noise | None) -> Spread:
        """Pools it with the noise of other series, unless this one contradicts them by an F test."""
        if prior is None or self.degrees == 0:
            return self
        if self.variance > prior.sd**2 * float(fdtri(self.degrees, prior.degrees, _CONTRADICTION)):
            return self
        total = self.degrees + prior.degrees
        return Spread(variance=(self.variance * self.degrees + prior.sd**2 * prior.degrees) / total, degrees=total)


class Series:
    """Logarithms of one metric of one cell, entry by entry."""

    def __init__(self, values: Sequence[Sequence[float]]) -> None:
        """`values` holds at least one value per entry, one for each process, all positive and finite."""
        self._logs = [np.log(np.asarray(each, dtype=np.float64)) for each in values]
        self.means = np.array([each.mean() for each in self._logs])
        """Mean logarithm of each entry."""

    @cached_property
    def process_variance(self) -> float:
        """Variance of an entry's mean that the spread between processes explains; 0 with one process per entry."""
        squares = sum(sum_of_squares(each) for each in self._logs)
        degrees = sum(len(each) - 1 for each in self._logs)
        mean_reciprocal = sum(1 / len(each) for each in self._logs) / len(self._logs)
        return squares / degrees * mean_reciprocal if degrees else 0.0

    def spread(self, starts: Sequence[int]) -> Spread:
        """Spread of the entries about the levels that start there; without degrees when each level has one entry.

        The variance is at least what the spread between processes explains.
        """
        squares = sum(sum_of_squares(self.means[a:b]) for a, b in pairwise([*starts, len(self.means)]))
        degrees = len(self.means) - len(starts)
        if not degrees:
            return Spread(variance=0.0, degrees=0)
        return Spread(variance=max(squares / degrees, self.process_variance), degrees=degrees)

    def beside(self, starts: Sequence[int], place: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean logarithms of the levels before and after the boundary `starts[place]`."""
        stops = [*starts[1:], len(self.means)]
        return self.means[starts[place - 1] : starts[place]], self.means[starts[place] : stops[place]]


def sum_of_squares(values: np.ndarray) -> float:
    """Sum of squared deviations from the mean."""
    return float(((values - values.mean()) ** 2).sum())
