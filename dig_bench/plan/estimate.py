"""Estimate of a sweep's cost: exact FLOPs, and a guess of the time that they take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from dig_bench.cell import Cell
from dig_bench.plan.availability import Unavailable, unavailable_cells, unavailable_reason
from dig_bench.plan.sweep import Sweep
from dig_bench.protocol import Protocol
from dig_models import CATALOG, build

FLOPS_PER_S = {"cpu": 3e10, "cuda": 1e14}
"""Guessed throughput at small batch sizes: two laptop cores in fp32, a data-centre GPU in bf16."""

CELL_S = 3.0
"""Guessed time of a cell's correctness check, first call and memory pass, without the arithmetic."""

WORKER_S = 10.0
"""Guessed time to start a worker process and import torch."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Cost of a sweep before anything runs."""

    step_flops: dict[Cell, int]
    """FLOPs of one step by cell, in the order of the sweep."""
    unavailable: tuple[Unavailable, ...]
    num_workers: int
    """Worker processes that the sweep starts, one after another."""
    seconds: float
    flops_per_s: float
    """Throughput on which `seconds` is based."""


def estimate(sweep: Sweep) -> Estimate:
    """Estimates a sweep. The time includes no compilation or autotuning."""
    num_workers = len({cell.worker for cell in sweep.cells})
    return Estimate(
        step_flops={cell: step_flops(cell, sweep.protocol) for cell in sweep.cells},
        unavailable=tuple(unavailable_cells(sweep.cells)),
        num_workers=num_workers,
        seconds=num_workers * WORKER_S + sum(cell_seconds(cell, sweep.protocol) for cell in sweep.cells),
        flops_per_s=FLOPS_PER_S[sweep.device],
    )


def cell_seconds(cell: Cell, protocol: Protocol) -> float:
    """Returns the guessed time of a cell without the start of its worker; 0 if the cell cannot run here."""
    if unavailable_reason(cell):
        return 0.0
    step_s = step_flops(cell, protocol) / FLOPS_PER_S[cell.device]
    samples_s = min(protocol.max_samples * step_s, max(protocol.max_seconds, protocol.min_samples * step_s))
    return CELL_S + protocol.warmup_seconds + samples_s


def step_flops(cell: Cell, protocol: Protocol) -> int:
    """Returns the FLOPs of one step: a forward pass, a training step, or the sampling of whole images."""
    return protocol.forward_passes(cell.mode) * cell.batch_size * _forward_flops(cell.model, cell.resolution_px)


@cache
def _forward_flops(model: str, resolution_px: int) -> int:
    """Returns the FLOPs for one image. Builds the network on the meta device, without memory for its parameters."""
    reference = CATALOG[model].architecture.reference_backend
    return build(model, image_size=resolution_px, backend=reference, device="meta").flops(1).total
