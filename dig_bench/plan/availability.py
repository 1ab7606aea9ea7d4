"""What keeps a cell from running, as far as that shows before a worker takes it up."""

from __future__ import annotations

from importlib import util

from dig_bench.cell import Cell
from dig_models import unavailable


def obstacle(cell: Cell) -> str | None:
    """In one line with the remedy; None when there is none. Asks for no GPU, so that a plan can be made anywhere."""
    if cell.device != "cuda" and cell.execution == "graph":
        return "CUDA graphs need a CUDA GPU"
    if cell.mode == "sample" and util.find_spec("diffusers") is None:
        return "sampling needs diffusers: pip install 'dig-bench[train]'"
    return unavailable(cell.model, cell.backend, cell.device, cell.network_mode, cell.precision)
