"""Exact rank tests of two sides, which hold whatever the noise looks like."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import comb

import numpy as np

CLEAR = 0.02
"""Rank probability up to which ranks support a verdict. Sides that do not overlap support it however few they are."""


def rank_p_value(base: Sequence[float], candidate: Sequence[float], shift: float) -> float:
    """Returns the probability of ranks this clear if the candidate's values were the base's plus `shift` at most.

    One-sided exact Mann-Whitney test. Ties count against a difference.
    """
    moved = [value + shift for value in base]
    above = sum(value > other for value in candidate for other in moved)
    return float(_upper_tails(len(base), len(candidate))[above])


def supported(p_value: float, base: int, candidate: int) -> bool:
    """Returns true if ranks of this many processes a side are clear, or as clear as they can be."""
    return p_value <= max(CLEAR, 1.001 / comb(base + candidate, base))


@cache
def _upper_tails(base: int, candidate: int) -> np.ndarray:
    """Returns the null probability of at least u pairs with the candidate above the base, for u of 0 to all pairs."""
    # The counts are the coefficients of the Gaussian binomial: a product of (1 - q^(base + i)) / (1 - q^i).
    size = base * candidate + 1
    counts = [0] * size
    counts[0] = 1
    for i in range(1, candidate + 1):
        for u in range(size - 1, base + i - 1, -1):
            counts[u] -= counts[u - base - i]
        for u in range(i, size):
            counts[u] += counts[u - i]
    return np.cumsum(np.array(counts[::-1], dtype=float))[::-1] / comb(base + candidate, base)
