"""Timers: run rounds of calls back to back and time each call, by device events on CUDA, by the clock on a CPU.

On CUDA a timer queues rounds ahead of the device, at least QUEUE_MS of work, and collects the oldest round meanwhile.
The device never waits for the host between rounds, unless the host needs longer to issue a round than the device to
run it.

On CUDA the latency of a call is the time between the device's start and end events. If the host is too slow to keep
the device busy (eager code with many small kernels), that time includes the gaps between kernels: the call is
CPU-bound, and `host_ms`, the time in which the host issues the calls, approaches the latency. If a call has more
kernels than the launch queue holds, `host_ms` includes the wait for the queue.

Before each round a buffer larger than the L2 cache is zeroed, outside of the events. Every round starts with a cold
cache as in `triton.testing.do_bench`, with whose median this one agrees.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter, perf_counter_ns, sleep
from typing import Protocol

import torch

Call = Callable[[], object]

QUEUE_MS = 60.0
"""Work that is queued ahead of the device."""

MAX_QUEUED = 200
"""Most rounds that are queued ahead: the driver's launch queue is finite."""

REST_S = 0.25
"""Rest before each round of a burst, in which clocks and power recover."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """Samples in the order in which they were taken: `calls_ms[i]` of the i-th call of a round."""

    calls_ms: list[list[float]]
    host_ms: list[float] = field(default_factory=list)
    """Time in which the host issues a round; empty on a CPU, where it is the latency itself."""
    gaps_ms: list[float] = field(default_factory=list)
    """CUDA: time between the end of a round and the start of the next one: the flush of the L2 cache, and idle time."""

    @property
    def total_ms(self) -> list[float]:
        return [sum(round_ms) for round_ms in zip(*self.calls_ms, strict=True)]

    def since(self, first: int) -> Times:
        """Returns the rounds from number `first` on."""
        return Times(
            calls_ms=[call_ms[first:] for call_ms in self.calls_ms],
            host_ms=self.host_ms[first:],
            gaps_ms=self.gaps_ms[first:],
        )

    @property
    def flush_ms(self) -> float:
        """Time of a flush: the shortest gaps, in which the device does not wait for the host."""
        return statistics.quantiles(self.gaps_ms, n=20)[0] if len(self.gaps_ms) > 1 else 0.0

    @property
    def duty(self) -> float | None:
        """Share of the pass in which the device does not wait for the host between rounds; None without gaps."""
        if not self.gaps_ms:
            return None
        flush_ms = self.flush_ms
        idle_ms = sum(max(0.0, gap - flush_ms) for gap in self.gaps_ms)
        return 1 - idle_ms / (sum(self.total_ms) + sum(self.gaps_ms))


Stop = Callable[[Times], bool]
"""Called after each round with the samples so far; returns True to end the pass."""


class Timer(Protocol):
    """Times rounds of calls."""

    def __call__(self, calls: Sequence[Call], *, stop: Stop) -> Times:
        """Runs rounds of the calls until `stop` returns True; at least one round."""
        ...


@dataclass(frozen=True, kw_only=True)
class CpuTimer:
    """Times calls with the monotonic clock of the host. Rests `rest_s` before each round."""

    rest_s: float = 0.0

    def __call__(self, calls: Sequence[Call], *, stop: Stop) -> Times:
        times = Times(calls_ms=[[] for _ in calls])
        while True:
            sleep(self.rest_s)
            for call, call_ms in zip(calls, times.calls_ms, strict=True):
                begin_ns = perf_counter_ns()
                call()
                call_ms.append((perf_counter_ns() - begin_ns) / 1e6)
            if stop(times):
                return times


@dataclass(frozen=True, kw_only=True)
class _Round:
    """A queued round: its events, the first one before the calls, and the time in which the host issued it."""

    marks: list[torch.cuda.Event]
    host_ms: float


class CudaTimer:
    """Times calls with events on the current stream of the current device. Rests `rest_s` before each round."""

    def __init__(self, *, flush_l2: bool, rest_s: float = 0.0) -> None:
        self._rest_s = rest_s
        self._cache: torch.Tensor | None = None
        if flush_l2:
            l2_bytes = torch.cuda.get_device_properties().L2_cache_size
            self._cache = torch.empty(4 * l2_bytes, dtype=torch.int8, device="cuda")

    def __call__(self, calls: Sequence[Call], *, stop: Stop) -> Times:
        times = Times(calls_ms=[[] for _ in calls])
        queued, previous, is_over = deque[_Round](), None, False
        torch.cuda.synchronize()
        while queued or not is_over:
            while not is_over and len(queued) < self._depth(times):
                queued.append(self._issue(calls))
            # Rounds that are queued when the pass ends are samples, too.
            previous = _harvest(queued.popleft(), previous, times)
            is_over = is_over or stop(times)
        return times

    def _issue(self, calls: Sequence[Call]) -> _Round:
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(len(calls) + 1)]
        if self._rest_s:
            torch.cuda.synchronize()
            sleep(self._rest_s)
        if self._cache is not None:
            self._cache.zero_()
        begin_ns = perf_counter_ns()
        marks[0].record()
        for call, mark in zip(calls, marks[1:], strict=True):
            call()
            mark.record()
        return _Round(marks=marks, host_ms=(perf_counter_ns() - begin_ns) / 1e6)

    def _depth(self, times: Times) -> int:
        """Returns how many rounds to queue, from the time of the latest one."""
        if self._rest_s:
            return 1
        if not times.gaps_ms:
            return 2
        round_ms = sum(call_ms[-1] for call_ms in times.calls_ms) + times.gaps_ms[-1]
        return max(2, min(MAX_QUEUED, int(QUEUE_MS / max(round_ms, 1e-3)) + 1))


def _harvest(done: _Round, previous: torch.cuda.Event | None, times: Times) -> torch.cuda.Event:
    """Waits for a round and adds its times. Returns its last event."""
    done.marks[-1].synchronize()
    for i, call_ms in enumerate(times.calls_ms):
        call_ms.append(done.marks[i].elapsed_time(done.marks[i + 1]))
    times.host_ms.append(done.host_ms)
    if previous is not None:
        times.gaps_ms.append(previous.elapsed_time(done.marks[0]))
    return done.marks[-1]


def timer_for(device_type: str, *, flush_l2: bool, rest_s: float = 0.0) -> Timer:
    return CudaTimer(flush_l2=flush_l2, rest_s=rest_s) if device_type == "cuda" else CpuTimer(rest_s=rest_s)


def after(seconds: float) -> Stop:
    """Returns a Stop that ends a pass once `seconds` have passed."""
    end_s = perf_counter() + seconds
    return lambda times: perf_counter() >= end_s
