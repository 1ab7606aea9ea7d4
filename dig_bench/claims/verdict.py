"""Verdicts on a claim, from a measured ratio or crossover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dig_bench.claims.ratios import Ratio
from dig_bench.results.scaling import faster_from_px

Verdict = Literal["exceeded", "reproduced", "undecided", "not reproduced", "not measured"]

TOLERANCE = 0.1
"""Share of a claimed ratio. The paper gives two digits, on a GPU and at a precision that it does not state."""


def of_ratio(claimed: float, found: Ratio, tolerance: float = TOLERANCE) -> Verdict:
    """Verdict on a claimed ratio.

    exceeded: the whole interval lies above the claim by more than the tolerance; reproduced: no part of it lies below
    the claim by more than the tolerance; not reproduced: all of it does; undecided: it contains that limit, or its
    width is unknown.
    """
    if not (found.low <= found.value <= found.high < math.inf):
        return "undecided"
    if found.low > claimed * (1 + tolerance):
        return "exceeded"
    if found.low >= claimed * (1 - tolerance):
        return "reproduced"
    return "not reproduced" if found.high < claimed * (1 - tolerance) else "undecided"


@dataclass(frozen=True, kw_only=True)
class Crossover:
    """The smallest measured resolution, in px, from which DiG stays the faster model up to the largest measured one;
    infinity when it is not the faster one there. Resolutions that were not measured are no part of it."""

    value: float
    low: float
    """The earliest crossover that the intervals of the ratios allow."""
    high: float
    """The latest one."""
    curve: tuple[tuple[int, Ratio], ...]
    """Resolution and ratio, ascending; not empty."""
    missing: tuple[int, ...] = ()
    """Resolutions of the claim and of the paper's figure at which the pair was not measured."""


def crossover(curve: Sequence[tuple[int, Ratio]], missing: Sequence[int] = ()) -> Crossover:
    """Crossover of a curve of (resolution in px, ratio), ascending and not empty."""
    return Crossover(
        value=faster_from_px([(px, ratio.value) for px, ratio in curve]),
        low=faster_from_px([(px, ratio.high) for px, ratio in curve]),
        high=faster_from_px([(px, ratio.low) for px, ratio in curve]),
        curve=tuple(curve),
        missing=tuple(missing),
    )


def of_crossover(claimed_px: int, found: Crossover) -> Verdict:
    """Verdict on a claimed crossover. It has no tolerance: a crossover is one of the measured resolutions.

    exceeded: faster at the claimed resolution, at every larger one and at the next smaller one; reproduced: the same
    without the smaller one; not reproduced: slower at the claimed resolution or a larger one; undecided: the interval
    of a ratio contains 1; not measured: the claimed resolution or every larger one is missing.
    """
    beyond = [ratio for px, ratio in found.curve if px >= claimed_px]
    if any(ratio.high < 1 for ratio in beyond):
        return "not reproduced"
    resolutions = [px for px, _ in found.curve]
    if claimed_px not in resolutions or len(beyond) < 2:
        return "not measured"
    if not all(ratio.low > 1 for ratio in beyond):
        return "undecided"
    below = resolutions.index(claimed_px) - 1
    return "exceeded" if below >= 0 and found.curve[below][1].low > 1 else "reproduced"
