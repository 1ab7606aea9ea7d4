"""Number of seeds that would probably lead to a verdict, if mean and spread of the log ratios stay as they are."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dig_bench.parity.paired import LEVEL, LogRatios

POWER = 0.8
"""Probability of the verdict at the returned number of seeds."""

MAX_SEEDS = 200
"""Largest number of seeds to consider."""

Array = NDArray[np.float64]


def for_parity(found: LogRatios, margin: float) -> int | None:
    """Returns the number of seeds, more than there are, that would show the ratio to be within 1 + margin.

    None if MAX_SEEDS would not suffice, as for a mean at or beyond the margin.
    """
    quantiles, errors = _quantiles(LEVEL), _errors(found)
    limit = np.log1p(margin)
    below, above = (_exceeds((limit + sign * found.mean) / errors, quantiles) for sign in (-1, 1))
    return _first(below + above - 1, found.seeds)


def for_difference(found: LogRatios, tests: int) -> int | None:
    """Returns the number of seeds, more than there are, at which one of so many tests would find a difference.

    None if MAX_SEEDS would not suffice. The level is Bonferroni's, the strictest that Holm's procedure asks for.
    """
    return _first(_exceeds(abs(found.mean) / _errors(found), _quantiles(LEVEL / tests / 2)), found.seeds)


_SEEDS = np.arange(2, MAX_SEEDS + 1)


@cache
def _quantiles(level: float) -> Array:
    quantiles: Array = special.stdtrit(_SEEDS - 1, 1 - level)
    return quantiles


def _errors(found: LogRatios) -> Array:
    """Standard error of the mean for each number of seeds; never zero."""
    errors: Array = max(found.standard_error, 1e-12) * np.sqrt(found.seeds / _SEEDS)
    return errors


def _exceeds(effect: Array, quantile: Array) -> Array:
    """Probability that t exceeds its quantile, for an effect in standard errors: Abramowitz & Stegun, 26.7.10."""
    freedom = _SEEDS - 1
    likely: Array = special.ndtr(
        (effect - quantile * (1 - 1 / (4 * freedom))) / np.sqrt(1 + quantile**2 / (2 * freedom))
    )
    return likely


def _first(likely: Array, seeds: int) -> int | None:
    enough = _SEEDS[(likely >= POWER) & (seeds < _SEEDS)]
    return int(enough[0]) if len(enough) else None
