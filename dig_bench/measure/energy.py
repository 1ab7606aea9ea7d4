"""Energy of a call on a GPU, and the state of the GPU under that load."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, sleep

import torch

from dig_bench.measure.nvml import HARMFUL, Gpu

CHUNK_MS = 20.0
"""Length of a chunk of queued calls. Two chunks are queued at a time: the GPU stays busy while the host polls."""

POLL_S = 1e-3

PATIENCE_S = 2.0
"""Time beyond the window that the measurement waits for a counter that does not advance."""


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy and GPU state of back-to-back calls. None if the GPU does not report a value."""

    joules_per_call: float | None
    power_w_mean: float | None
    sm_clock_mhz: float | None
    temperature_c: float | None
    throttle_reasons: tuple[str, ...]

    @property
    def harmful(self) -> tuple[str, ...]:
        """Throttle reasons that make a measurement unrepresentative of a healthy GPU."""
        return tuple(reason for reason in self.throttle_reasons if reason in HARMFUL)


def measure_energy(call: Callable[[], object], gpu: Gpu, *, call_ms: float, seconds: float) -> Energy:
    """Keeps the GPU busy with `call`, which takes about `call_ms`, and polls NVML's energy counter.

    The counter advances about every 100 ms. Power is its gain between two advances at least `seconds` apart, divided by
    the time between them. Energy is power times the mean duration of a call. The first advance covers time before the
    measurement and is dropped.
    """
    # A long call can block the host from polling: a longer call needs a longer window.
    min_seconds = max(seconds, 5 * call_ms / 1e3)
    max_seconds = 2 * min_seconds + PATIENCE_S
    chunk = max(1, int(CHUNK_MS / max(call_ms, 1e-3)))
    torch.cuda.synchronize()
    begin, calls, pending = perf_counter(), 0, deque[torch.cuda.Event]()
    reading, moves = gpu.energy_mj, list[tuple[float, int]]()
    while perf_counter() - begin < max_seconds and not _is_covered(moves, min_seconds):
        while len(pending) < 2:
            for _ in range(chunk):
                call()
            calls += chunk
            pending.append(torch.cuda.Event())
            pending[-1].record()
        while pending and pending[0].query():
            pending.popleft()
        previous, reading = reading, gpu.energy_mj
        if reading is not None and reading != previous:
            moves.append((perf_counter(), reading))
        sleep(POLL_S)
    # The last chunks still run.
    clock, temperature, reasons = gpu.sm_clock_mhz, gpu.temperature_c, gpu.throttle_reasons()
    torch.cuda.synchronize()
    seconds_per_call = (perf_counter() - begin) / calls
    power_w = mean_power_w(moves) if _is_covered(moves, min_seconds) else None
    return Energy(
        joules_per_call=None if power_w is None else power_w * seconds_per_call,
        power_w_mean=power_w,
        sm_clock_mhz=clock,
        temperature_c=temperature,
        throttle_reasons=reasons,
    )


def _is_covered(moves: list[tuple[float, int]], min_seconds: float) -> bool:
    return len(moves) > 2 and moves[-1][0] - moves[1][0] >= min_seconds


def mean_power_w(moves: list[tuple[float, int]]) -> float:
    """Returns the mean power between the second and the last of (seconds, millijoules) at the counter's advances."""
    (begin_s, begin_mj), (end_s, end_mj) = moves[1], moves[-1]
    return (end_mj - begin_mj) / 1000 / (end_s - begin_s)
