"""Progress of two sides on one display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dig_bench.cell import Cell, Row
from dig_bench.plan.estimate import cell_seconds
from dig_bench.protocol import Protocol
from dig_bench.run.progress import Quiet, TimeLeft


@dataclass(frozen=True, kw_only=True)
class SideObserver:
    """Shows which side a running cell belongs to."""

    display: Quiet
    name: str

    def started(self, cell: Cell) -> None:
        self.phase(cell, "starting")

    def phase(self, cell: Cell, text: str) -> None:
        self.display.phase(cell, f"{self.name}: {text}")


@dataclass(frozen=True, kw_only=True)
class PairProgress:
    """Shows the finished cells of both sides, and estimates the time left."""

    display: Quiet
    time_left: TimeLeft
    protocol: Protocol
    stage: str
    """Empty, `priming` or `confirmation`."""

    def planned(self, jobs: Sequence[tuple[str, Cell]]) -> None:
        self.time_left.plan({(self._label(side), cell): cell_seconds(cell, self.protocol) for side, cell in jobs})

    def finished(self, side: str, row: Row) -> None:
        self.display.finished(row, self._label(side))

    def _label(self, side: str) -> str:
        return f"{self.stage} {side}".strip()
