"""One comparison of the proof, and what it says of each cell's latency."""

from __future__ import annotations

from dataclasses import dataclass

from dig_bench.compare.comparison import CellComparison, Comparison


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A comparison of the code with itself, in the second half of which `share` of slow-down is planted."""

    share: float
    number: int
    comparison: Comparison

    @property
    def name(self) -> str:
        return f"{100 * self.share:g}-{self.number}"

    @property
    def caught(self) -> list[CellComparison]:
        return [cell for cell in self.comparison.cells if latency(cell) == "slower"]

    @property
    def missed(self) -> list[CellComparison]:
        return [cell for cell in self.comparison.cells if latency(cell) in ("same", "faster")]


def latency(cell: CellComparison) -> str:
    """Its verdict; the state of a cell that was not measured."""
    return next((finding.verdict for finding in cell.findings if finding.metric == "latency"), cell.state)
