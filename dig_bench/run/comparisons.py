"""Comparisons of a correctness check: their errors, the text of the row, and the reason for a mismatch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Relative error of one part against one other side."""

    part: str
    """`output`, `input gradient`, `parameter gradients`."""
    other: str
    """Other side, with the size: `the reference at 100 tokens`."""
    error: float

    @property
    def rank(self) -> float:
        """The error, where NaN is the largest."""
        return math.inf if math.isnan(self.error) else self.error

    def mismatch(self, tolerance: float) -> str:
        """Returns why the error is too large; empty when it is not."""
        # NaN is not <= anything.
        if self.error <= tolerance:
            return ""
        part = "" if self.part == "output" else f"of the {self.part} "
        return f"relative error {self.error:.2g} {part}to {self.other}, above {tolerance:g}"


@dataclass(kw_only=True)
class Comparisons:
    """Comparisons that were made, and notes that say which ones."""

    made: list[Comparison] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_steady: bool = True
    """False if two identical calls of the network under test differ by more than rounding."""

    def add(self, other: str, errors: Mapping[str, float]) -> None:
        self.made += [Comparison(part=part, other=other, error=error) for part, error in errors.items()]
