"""The sweep that measures what the paper's claims need, under the conditions nearest to the paper's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dig_bench import paper
from dig_bench.cell import Cell
from dig_bench.claims.claim import Claim, claims
from dig_bench.claims.conditions import PROTOCOLS
from dig_bench.plan.presets import PAPER_PROTOCOL
from dig_bench.plan.sweep import Sweep, digest, in_order
from dig_bench.protocol import Protocol
from dig_models import CATALOG, suggest

BACKEND = "fused"
"""Backend of DiG. It needs no autotuning; fla-core autotunes for minutes per model on a fresh machine."""

PROCESSES = 3


def make(backends: Sequence[str] = (BACKEND,), *, processes: int = PROCESSES) -> Sweep:
    """Builds the sweep for these backends of DiG.

    Raises ValueError for an unknown backend, with the choices, and for fewer than one process.
    """
    choices = CATALOG["DiG-S/2"].architecture.backends
    for backend in backends:
        if backend not in choices:
            raise ValueError(f"DiG has no backend {suggest(backend, choices)}")
    if processes < 1:
        raise ValueError(f"--processes takes a whole number from 1, not {processes}")
    needed = in_order(cells(backends, processes=processes))
    is_default = (tuple(backends), processes) == ((BACKEND,), PROCESSES)
    return Sweep(
        name="reproduce" if is_default else f"reproduce-{digest(needed)}",
        cells=needed,
        protocol=replace(Protocol(), **PAPER_PROTOCOL),
    )


def cells(backends: Sequence[str], *, processes: int) -> tuple[Cell, ...]:
    """The cells that the claims need, with these backends of DiG.

    A claimed ratio is measured in `processes` processes. A crossover is measured in one: it depends on which side of 1
    a ratio lies, not on how far from 1.
    """
    return tuple(dict.fromkeys(cell for claim in claims() for cell in _cells(claim, backends, processes)))


def _cells(claim: Claim, backends: Sequence[str], processes: int) -> Iterator[Cell]:
    for against, resolution_px in _opponents(claim):
        for process in range(1, 1 + (1 if claim.quantity == "crossover_px" else processes)):
            for name in (*(f"{claim.model}@{backend}" for backend in backends), against):
                yield _cell(claim, name, resolution_px, process)


def _opponents(claim: Claim) -> Iterator[tuple[str, int]]:
    """The other models and resolutions; for a crossover all points that the paper's figure has for both models."""
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
