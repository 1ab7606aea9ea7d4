"""Verdicts: what a measured ratio, or a crossover, says of a claimed one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dig_bench.claims.measured import Ratio

Verdict = Literal["reproduced", "exceeded", "not reproduced", "undecided", "not measured"]

TOLERANCE = 0.1
"""Of a claimed ratio. The paper gives two digits, on a GPU and at a precision that it does not state."""


def of_ratio(claimed: float, found: Ratio, tolerance: float = TOLERANCE) -> Verdict:
    """exceeded: the whole interval lies above the claim by more than the tolerance; reproduced: none of it lies below
    the claim by more; not reproduced: all of it does; undecided: it holds that limit, or there is no interval."""
    if not (found.low <= found.value <= found.high < math.inf):
        return "undecided"
    if found.low > claimed * (1 + tolerance):
        return "exceeded"
    if found.low >= claimed * (1 - tolerance):
        return "reproduced"
    return "not reproduced" if found.high < claimed * (1 - tolerance) else "undecided"


@dataclass(frozen=True, kw_only=True)
class Crossover:
    """The resolution from which on ours is the faster one, in px; infinity when it never is.

    `low` and `high`: as early and as late as the intervals of the ratios allow.
    """

    value: float
    low: float
    high: float
    curve: tuple[tuple[int, Ratio], ...]
    """Resolution and ratio, ascending; not empty."""


def crossover(curve: Sequence[tuple[int, Ratio]]) -> Crossover:
    """curve is ascending and not empty."""

    def start(figure: str) -> float:
        slower = [place for place, (_, ratio) in enumerate(curve) if not getattr(ratio, figure) > 1]
        after = slower[-1] + 1 if slower else 0
        return float(curve[after][0]) if after < len(curve) else math.inf

    return Crossover(value=start("value"), low=start("high"), high=start("low"), curve=tuple(curve))


def of_crossover(claimed_px: int, found: Crossover) -> Verdict:
    """Resolutions are those that were measured, so there is no tolerance.

    exceeded: faster at the claimed resolution, at all larger ones and at the next smaller one; reproduced: the same,
    but not at the smaller one; not reproduced: slower somewhere from the claimed one on; undecided: the interval of a
    ratio holds 1; not measured: without the claimed resolution and a larger one.
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
