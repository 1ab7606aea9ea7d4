"""Chance separation of processes that have two modes, such as two kernels between which an autotuner alternates.

If every process of a cell is in either of two modes at random, all n processes of the base are in the fast one and all
n of the candidate in the slow one with a probability of up to 4^-n: 1.6 % for three processes, 0.1 % for five. The two
sides then look as calm as those of a cell that became slower. Other cells reveal that a machine has modes: one side's
processes split there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

_AS_FAR = 0.8
"""Gap within a side, as a share of the difference between two sides, from which on modes could explain it."""

_SPLIT = 0.6
"""Share of a side's range that the gap between two modes has at least. Even spread leaves smaller gaps."""


def split(logs: Sequence[float]) -> float:
    """Returns the gap that splits the values of one side in two, 0 if none does."""
    ordered = sorted(logs)
    gap = max((high - low for low, high in pairwise(ordered)), default=0.0)
    return gap if gap >= _SPLIT * (ordered[-1] - ordered[0]) else 0.0


def chance_of_modes(excess: float, other_splits: Sequence[float], processes: int) -> float:
    """Returns the chance that modes separate two sides of any cell by `excess`, from the splits within the other cells.

    `processes` are those of both sides together. Returns 0 if no other cell splits that far.
    """
    return _cells(excess, other_splits) * 0.5**processes


def processes_against_modes(excess: float, other_splits: Sequence[float], rate: float) -> int:
    """Returns the processes per side with which `chance_of_modes` is within `rate`."""
    cells = _cells(excess, other_splits)
    return math.ceil(math.log(cells / rate, 4)) if cells else 0


def _cells(excess: float, other_splits: Sequence[float]) -> int:
    """Returns how many cells may have modes this far apart: those that show it and the one in question, else none."""
    others = sum(split >= _AS_FAR * excess for split in other_splits)
    return others + 1 if others else 0
