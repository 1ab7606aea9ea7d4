"""Availability: which cells cannot run on this machine, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import util

from dig_bench.cell import Cell
from dig_models import unavailable


@dataclass(frozen=True, kw_only=True)
class Unavailable:
    """Cells of one model and backend that cannot run here for the same reason."""

    name: str
    """`DiT-S/2@flash2`."""
    reason: str
    count: int

    def __str__(self) -> str:
        return f"{self.name}: {self.count} cell{'' if self.count == 1 else 's'} unavailable here: {self.reason}"


def unavailable_reason(cell: Cell) -> str | None:
    """Returns in one line why the cell cannot run here, with the remedy; None if it can.

    Needs no GPU, so that a sweep can be planned on any machine.
    """
    if cell.device != "cuda" and cell.is_graph:
        return "CUDA graphs need a CUDA GPU"
    if cell.mode == "sample" and util.find_spec("diffusers") is None:
        return "sampling needs diffusers: pip install 'dig-bench[train]'"
    return unavailable(cell.model, cell.backend, cell.device, cell.network_mode, cell.precision)


def unavailable_cells(cells: Iterable[Cell]) -> list[Unavailable]:
    """Groups the cells that cannot run here by model and reason. Each still gets a row, of status `unsupported`."""
    reasons = ((cell.name, unavailable_reason(cell)) for cell in cells)
    counts = Counter((name, reason) for name, reason in reasons if reason)
    return [Unavailable(name=name, reason=reason, count=count) for (name, reason), count in counts.items()]
