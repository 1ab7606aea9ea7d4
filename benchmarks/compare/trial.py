"""A trial of the proof: one comparison, and what it found about each cell's latency."""

from __future__ import annotations

from dataclasses import dataclass

from dig_bench.compare.cell_comparison import CellComparison
from dig_bench.compare.comparison import Comparison


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A comparison of the code with itself, whose candidate is slowed down by `share`."""

    share: float
    number: int
    comparison: Comparison

    @property
    def caught(self) -> list[CellComparison]:
        """Cells whose latency is called slower."""
        return [cell for cell in self.comparison.cells if latency(cell) == "slower"]

    @property
    def missed(self) -> list[CellComparison]:
        """Cells whose latency is called the same, or faster."""
        return [cell for cell in self.comparison.cells if latency(cell) in ("same", "faster")]


def latency(cell: CellComparison) -> str:
    """Returns the verdict on the cell's latency; the state of a cell that was not measured."""
    return next((finding.verdict for finding in cell.findings if finding.metric == "latency"), cell.state)
