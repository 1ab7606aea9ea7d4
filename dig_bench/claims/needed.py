"""The cells that the claims need, under the conditions nearest to the paper's, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dig_bench import paper
from dig_bench.cell import Cell
from dig_bench.claims.conditions import PROTOCOLS
from dig_bench.claims.judgement import Claim, claims


def cells(backends: Sequence[str], *, processes: int) -> tuple[Cell, ...]:
    """`backends` are DiG's. The cells of a claimed ratio are launched so often; those of a crossover once, since that
    asks on which side of 1 a ratio lies, not how far."""
    return tuple(dict.fromkeys(cell for claim in claims() for cell in _of(claim, backends, processes)))


def _of(claim: Claim, backends: Sequence[str], processes: int) -> Iterator[Cell]:
    for against, resolution_px in _opponents(claim):
        for process in range(1, 1 + (1 if claim.quantity == "crossover_px" else processes)):
            for name in (*(f"{claim.model}@{backend}" for backend in backends), against):
                yield _cell(claim, name, resolution_px, process)


def _opponents(claim: Claim) -> Iterator[tuple[str, int]]:
    """Against whom, and at which resolution; of a crossover, wherever the paper's figure has both."""
    if claim.quantity == "crossover_px":
        ratios = paper.ratios(claim.figure, claim.model)
        yield from zip(ratios["against"], map(int, ratios["resolution_px"]), strict=True)
    else:
        yield from dict.fromkeys((reading.against, claim.resolution_px) for reading in claim.readings)


def _cell(claim: Claim, name: str, resolution_px: int, process: int) -> Cell:
    model, _, backend = name.partition("@")
    protocol = PROTOCOLS[claim.figure]
    return Cell(
        model=model,
        backend=backend,
        resolution_px=resolution_px,
        mode=protocol.mode,
        precision=protocol.precisions[0][0],
        execution="graph",
        device="cuda",
        process=process,
    )
