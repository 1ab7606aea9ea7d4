"""What a sweep will roughly take: FLOPs are exact, the speed at which they run is a guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

from dig_bench.cell import Cell
from dig_bench.plan.availability import obstacle
from dig_bench.plan.sweep import Sweep
from dig_bench.protocol import Protocol
from dig_bench.run.progress import duration
from dig_models import CATALOG, build

FLOPS_PER_S = {"cpu": 3e10, "cuda": 1e14}
"""A guess at what small batches reach: two laptop cores in fp32, a data-centre GPU in bf16."""

CELL_S = 3.0
"""A guess at gate, first call and memory pass, apart from the arithmetic."""

WORKER_S = 10.0
"""A guess at starting a process and importing torch."""


def described(sweep: Sweep) -> str:
    """What `--plan` prints: every cell with the FLOPs of one step, what cannot run, the estimate."""
    lines = [f"{cell}  {step_flops(cell, sweep.protocol) / 1e9:.4g} GFLOP a step" for cell in sweep.cells]
    workers = len({cell.worker for cell in sweep.cells})
    idle = sum(obstacle(cell) is not None for cell in sweep.cells)
    seconds = workers * WORKER_S + sum(cell_seconds(cell, sweep.protocol) for cell in sweep.cells)
    speed = f"{FLOPS_PER_S[sweep.device] / 1e12:g} TFLOP/s"
    estimate = f"roughly {duration(seconds)}, a guess that takes {speed} for granted and no compilation"
    counts = f"{cell_count(len(lines))} in {workers} worker processes" + (f", {idle} cannot run here" if idle else "")
    return "\n".join([*lines, *hindrances(sweep.cells), f"{counts}: {estimate}"])


def hindrances(cells: Iterable[Cell]) -> list[str]:
    """What cannot run on this machine, by model and reason. Those cells become rows all the same."""
    reasons = ((cell.name, obstacle(cell)) for cell in cells)
    counts = Counter((name, reason) for name, reason in reasons if reason)
    return [f"{cell_count(count)} of {name} cannot run here: {reason}" for (name, reason), count in counts.items()]


def cell_seconds(cell: Cell, protocol: Protocol) -> float:
    """Without the start of a worker process; none for what cannot run here."""
    if obstacle(cell):
        return 0.0
    step_s = step_flops(cell, protocol) / FLOPS_PER_S[cell.device]
    samples_s = min(protocol.max_samples * step_s, max(protocol.max_seconds, protocol.min_samples * step_s))
    return CELL_S + protocol.warmup_seconds + samples_s


def step_flops(cell: Cell, protocol: Protocol) -> int:
    return protocol.forward_passes(cell.mode) * cell.batch_size * _forward_flops(cell.model, cell.resolution_px)


def cell_count(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"


@cache
def _forward_flops(model: str, resolution_px: int) -> int:
    """Of one image. The network is built without memory for its parameters."""
    reference = CATALOG[model].architecture.reference_backend
    return build(model, image_size=resolution_px, backend=reference, device="meta").flops(1).total
