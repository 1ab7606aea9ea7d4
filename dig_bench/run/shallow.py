"""Depth of the shallow networks that stand for a whole one where that would cost too much."""

from __future__ import annotations

from dataclasses import replace

from dig_bench.cell import Cell
from dig_bench.run.independent import network
from dig_models import CATALOG

BLOCKS = 4
"""Fewest blocks of a shallow network: a DiG has four scan orders."""


def shallow_depth(cell: Cell) -> int | None:
    """Returns the smallest depth from BLOCKS that the architecture takes; None if the network is not deeper."""
    architecture, config = CATALOG[cell.model]
    reference = architecture.reference_backend
    for depth in range(BLOCKS, config.depth):
        try:
            network(replace(cell, device="meta"), grid=4, backend=reference, depth=depth)
        except ValueError:
            continue
        return depth
    return None
