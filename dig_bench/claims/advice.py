"""Measurements that would settle an undecided verdict."""

from __future__ import annotations

import math

from scipy.special import stdtrit

from dig_bench.claims.ratios import Ratio
from dig_bench.claims.verdict import Crossover
from dig_bench.compare.decision import CONFIDENCE, MIN_PROCESSES

MOST_PROCESSES = 100
"""Largest number of processes a side that is worth naming."""


def for_ratio(found: Ratio, limit: float) -> str:
    """Returns what would move the interval of a ratio off the limit: `about 6 more processes per side`.

    The number assumes that the ratio and the spread between processes stay as they are.
    """
    if found.basis == "range":
        return "more processes do not narrow a range of memories: some lie on either side of the limit"
    if found.basis == "samples":
        needed = [max(MIN_PROCESSES - count, 0) for count in found.processes]
        ours, theirs = (f"{count} more process{'' if count == 1 else 'es'}" for count in needed)
        sides = f"{ours} per side" if ours == theirs else f"{ours} of DiG and {theirs} of the other model"
        return f"{sides}, the least that shows their spread"
    more = more_processes(found, limit)
    if more is None:
        return f"more than {MOST_PROCESSES} processes per side: the ratio lies at the limit"
    return f"about {more} more process{'' if more == 1 else 'es'} per side"


def for_crossover(claimed_px: int, found: Crossover) -> str:
    """Returns what would settle each resolution whose interval contains 1, at the claimed one and above."""
    unsure = [(px, ratio) for px, ratio in found.curve if px >= claimed_px and not (ratio.low > 1 or ratio.high < 1)]
    return "; ".join(f"at {px} px {for_ratio(ratio, 1.0)}" for px, ratio in unsure)


def more_processes(found: Ratio, limit: float) -> int | None:
    """Returns how many more processes a side narrow the interval until it leaves the limit out; None for too many.

    Each side is taken to have the smaller number of processes at first.
    """
    if not (found.spread is not None and 0 < found.value < math.inf and limit > 0):
        return None
    distance = abs(math.log(found.value / limit))
    count = min(found.processes)
    for processes in range(count + 1, MOST_PROCESSES + 1):
        margin = float(stdtrit(2 * processes - 2, (1 + CONFIDENCE) / 2)) * found.spread / math.sqrt(processes)
        if margin < distance:
            return processes - count
    return None
