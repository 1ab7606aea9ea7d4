"""A change in the trend of a cell: a change point of a metric or a change of status, and its possible cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dig_bench.cell import MEASURED, Key
from dig_bench.compare.conditions import Difference
from dig_bench.history.change_points import ChangePoint

Cause = Literal["revision", "same revision", "environment"]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A cell's values of one metric in one entry."""

    entry: int
    """Index of the entry in the order."""
    values: tuple[float, ...]
    """One per process; empty when the cell failed."""
    status: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change point of a metric, or a cell that began to fail or to work."""

    key: Key
    metric: str
    """Name from METRICS; empty for a change of status."""
    at: int
    """First entry of the new level."""
    before: int
    after: int
    """Entries between which it lies: the last that has the old level for certain, the first that has the new one."""
    cause: Cause
    point: ChangePoint | None
    """None for a change of status."""
    statuses: tuple[str, str]
    differences: tuple[Difference, ...] = ()
    """Differences between the environments before and after."""

    @property
    def is_worse(self) -> bool:
        """True if the value rose or the cell began to fail."""
        return self.point.ratio > 1 if self.point else self.statuses[0] in MEASURED

    @property
    def size(self) -> float:
        """Relative size; infinite for a change of status."""
        return abs(self.point.ratio - 1) if self.point else float("inf")
