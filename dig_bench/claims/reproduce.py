"""The sweep that the paper's claims are judged by, from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dig_bench.claims.needed import cells
from dig_bench.plan.presets import PAPER_PROTOCOL
from dig_bench.plan.sweep import Sweep, digest, in_order
from dig_bench.protocol import Protocol
from dig_models import CATALOG, suggest

BACKEND = "fused"
"""DiG's: nothing is autotuned. fla-core's takes minutes for each model on a bare machine."""

PROCESSES = 3


def make(backends: Sequence[str] = (BACKEND,), *, processes: int = PROCESSES) -> Sweep:
    """ValueError, with the choices, for what is no backend of DiG, and for fewer processes than one."""
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
