"""Tests of one quantity of two contenders, on its paired log ratios: log(B / A), one value for each seed.

Both contenders see the same data and noise for a seed, so the seed is the unit of evidence. A paired test is exact for
normal log ratios however much the two sides are correlated; it has n - 1 degrees of freedom for n seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

LEVEL = 0.05
"""Error rate of each verdict: `in parity` for contenders at the margin, and `different` for identical contenders."""


@dataclass(frozen=True, kw_only=True)
class LogRatios:
    """Mean and standard error of the log ratios of a number of seeds."""

    mean: float
    standard_error: float
    seeds: int

    @staticmethod
    def of(a: ArrayLike, b: ArrayLike) -> LogRatios:
        """Returns the log ratios of two sides, seed by seed.

        Raises ValueError for fewer than two seeds, and for values that are not positive and finite.
        """
        sides = np.array([a, b], dtype=float)
        if sides.shape[1] < 2:
            raise ValueError(f"{sides.shape[1]} seeds: a verdict needs at least 2")
        if not (np.isfinite(sides) & (sides > 0)).all():
            raise ValueError(f"losses and distances must be positive and finite, not {sides.min():g}")
        ratios = np.log(sides[1] / sides[0])
        seeds = len(ratios)
        return LogRatios(mean=float(ratios.mean()), standard_error=float(ratios.std(ddof=1)) / seeds**0.5, seeds=seeds)

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds of the 90 % interval of the mean. Two one-sided tests (TOST) at 5 % both reject, and so show the ratio
        to be within a margin, exactly if the margin contains this interval. Schuirmann, J. Pharmacokinet. Biopharm. 15,
        657 (1987)."""
        half = one_sided_quantile(self.seeds - 1) * self.standard_error
        return self.mean - half, self.mean + half

    @property
    def p_value(self) -> float:
        """p-value of the two-sided t test of a mean of zero. Without any spread: 1 for a mean of zero, else 0."""
        if self.standard_error == 0:
            return float(self.mean == 0)
        return float(2 * special.stdtr(self.seeds - 1, -abs(self.mean) / self.standard_error))


@cache
def one_sided_quantile(degrees_of_freedom: int) -> float:
    """Returns the quantile of Student's t distribution that one of the one-sided tests compares with."""
    return float(special.stdtrit(degrees_of_freedom, 1 - LEVEL))


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns Holm's adjusted p-values, in the given order: at most LEVEL for what is rejected with a family-wise error
    rate of LEVEL. Holm, Scand. J. Statist. 6, 65 (1979)."""
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
