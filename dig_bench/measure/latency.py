"""Latency of any callable: device events on CUDA, a monotonic clock on a CPU.

A `Timer` runs a sequence of calls several times and times each call. The calls of a round run back to back. Rounds are
queued up to 0.1 s ahead, each with its own events, so that synchronisation does not starve the device.

On CUDA the latency of a call is the time between the device's start and end events. If the host is too slow to keep
the device busy (eager code with many small kernels), that time includes the gaps between kernels: the call is
CPU-bound, and `host_ms`, the time in which the host issues the calls, approaches the latency. If a call has more
kernels than the launch queue holds, `host_ms` includes the wait for the queue.

Before each round a buffer larger than the L2 cache is zeroed, outside of the events. Every round starts with a cold
cache as in `triton.testing.do_bench`, with whose median this one agrees.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter, perf_counter_ns
from typing import Protocol

import torch

from dig_bench.measure.statistics import summarise

Call = Callable[[], object]

WINDOW_MS = 100.0
"""Amount of work queued between two synchronisations, after which the statistics are updated."""

MAX_WINDOW_CALLS = 100


@dataclass(frozen=True, kw_only=True)
class Times:
    """Timing samples in ms, in order. `calls_ms[i]` belongs to the i-th call, `total_ms` to all calls of a round."""

    calls_ms: list[list[float]]
    host_ms: list[float] = field(default_factory=list)
    """Time in which the host issues a round; empty on a CPU, where it is the latency itself."""

    @property
    def total_ms(self) -> list[float]:
        return [sum(round_ms) for round_ms in zip(*self.calls_ms, strict=True)]

    def extend(self, more: Times) -> None:
        for mine, others in zip(self.calls_ms, more.calls_ms, strict=True):
            mine.extend(others)
        self.host_ms.extend(more.host_ms)


class Timer(Protocol):
    """Times a sequence of calls."""

    def __call__(self, calls: Sequence[Call], rounds: int) -> Times:
        """Runs all calls in sequence, `rounds` times."""
        ...


class CpuTimer:
    """Times calls with the monotonic clock of the host."""

    def __call__(self, calls: Sequence[Call], rounds: int) -> Times:
        times = Times(calls_ms=[[] for _ in calls])
        for _ in range(rounds):
            for call, call_ms in zip(calls, times.calls_ms, strict=True):
                begin_ns = perf_counter_ns()
                call()
                call_ms.append((perf_counter_ns() - begin_ns) / 1e6)
        return times


class CudaTimer:
    """Times calls with events on the current stream of the current device."""

    def __init__(self, *, flush_l2: bool) -> None:
        self._cache: torch.Tensor | None = None
        if flush_l2:
            l2_bytes = torch.cuda.get_device_properties().L2_cache_size
            self._cache = torch.empty(4 * l2_bytes, dtype=torch.int8, device="cuda")

    def __call__(self, calls: Sequence[Call], rounds: int) -> Times:
        events = [[torch.cuda.Event(enable_timing=True) for _ in range(len(calls) + 1)] for _ in range(rounds)]
        host_ms = []
        torch.cuda.synchronize()
        for marks in events:
            if self._cache is not None:
                self._cache.zero_()
            begin_ns = perf_counter_ns()
            marks[0].record()
            for call, mark in zip(calls, marks[1:], strict=True):
                call()
                mark.record()
            host_ms.append((perf_counter_ns() - begin_ns) / 1e6)
        torch.cuda.synchronize()
        calls_ms = [[marks[i].elapsed_time(marks[i + 1]) for marks in events] for i in range(len(calls))]
        return Times(calls_ms=calls_ms, host_ms=host_ms)


def timer_for(device_type: str, *, flush_l2: bool) -> Timer:
    """Returns the timer of a device type, `cpu` or `cuda`."""
    return CudaTimer(flush_l2=flush_l2) if device_type == "cuda" else CpuTimer()


def first_call_s(call: Call, device_type: str) -> float:
    """Times one call until its result is ready, in seconds. Call it first: it includes compilation and autotuning."""
    begin = perf_counter()
    call()
    if device_type == "cuda":
        torch.cuda.synchronize()
    return perf_counter() - begin


def warm_up(calls: Sequence[Call], timer: Timer, *, agreement: float, max_rounds: int, max_seconds: float) -> int:
    """Runs rounds until the medians of two consecutive windows agree, or a cap is reached. Returns their number.

    The first window is one round, which only determines how many rounds make a window.
    """
    begin, rounds, window = perf_counter(), 0, 1
    previous_ms = float("inf")
    while rounds < max_rounds and perf_counter() - begin < max_seconds:
        median_ms = statistics.median(timer(calls, window).total_ms)
        if abs(median_ms - previous_ms) <= agreement * median_ms:
            return rounds + window
        previous_ms = median_ms if rounds else float("inf")
        rounds += window
        window = min(rounds_in_window(median_ms), max_rounds - rounds)
    return rounds


def sample(
    calls: Sequence[Call],
    timer: Timer,
    *,
    min_samples: int,
    max_samples: int,
    min_seconds: float,
    max_seconds: float,
    target_half_width: float,
) -> Times:
    """Times rounds until the 95 % interval of the median total is narrow enough, or a cap is reached.

    Keeps all samples. Takes `min_samples` even if they last longer than `max_seconds`.
    """
    begin, times, window = perf_counter(), Times(calls_ms=[[] for _ in calls]), 1
    while True:
        times.extend(timer(calls, window))
        summary = summarise(times.total_ms)
        seconds = perf_counter() - begin
        if summary.num_samples >= max_samples:
            return times
        if summary.num_samples >= min_samples:
            steady = summary.half_width is not None and summary.half_width <= target_half_width
            if seconds >= max_seconds or (steady and seconds >= min_seconds):
                return times
        window = min(rounds_in_window(summary.median), max_samples - summary.num_samples)


def rounds_in_window(round_ms: float) -> int:
    """Returns the number of rounds that fit into WINDOW_MS, from 1 to MAX_WINDOW_CALLS."""
    return max(1, min(MAX_WINDOW_CALLS, int(WINDOW_MS / max(round_ms, 1e-6))))
