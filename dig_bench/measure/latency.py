"""Latency of any callable in its steady state: warm-up and sampling in one pass of a timer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import torch

from dig_bench.measure.statistics import summarise
from dig_bench.measure.steady_state import Trend, Windows
from dig_bench.measure.timer import Call, Timer, Times

LOOK_S = 0.1
"""Time between two looks at the statistics of the samples."""


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """Limits of the warm-up: at least `min_seconds`, then until there is no trend, at most `max_seconds`."""

    min_seconds: float = 1.0
    max_seconds: float = 10.0
    """0 skips the warm-up."""
    tolerance: float = 0.005
    """Largest negligible drift over the latest second, as a share of the median."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Limits of the sampling: until the interval of the median is narrow enough, within the caps."""

    min_samples: int
    """Fewest samples, even if they take longer than `max_seconds`."""
    max_samples: int
    min_seconds: float
    max_seconds: float
    target_half_width: float
    """Target for half the interval of the median, as a share of the median."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Samples, and the warm-up before them."""

    times: Times
    warmup_rounds: int
    trend: Trend | None
    """Trend that was left when sampling began; None if the warm-up was too short to tell."""
    begin_s: float
    end_s: float
    """Monotonic times of the sampling."""


def measure(calls: Sequence[Call], timer: Timer, *, warm_up: WarmUp, sampling: Sampling) -> Timed:
    """Warms up and samples rounds of the calls in one pass: the device does not rest in between."""
    run = _Pass(warm_up, sampling)
    times = timer(calls, stop=run)
    return Timed(
        times=times.since(run.first),
        warmup_rounds=run.first,
        trend=run.trend,
        begin_s=run.sampling_s,
        end_s=monotonic(),
    )


class _Pass:
    """Stop of a pass: switches from warm-up to sampling, then ends the pass."""

    def __init__(self, warm_up: WarmUp, sampling: Sampling) -> None:
        self._warm_up = warm_up
        self._sampling = sampling
        self._begin_s = self.sampling_s = self._looked_s = monotonic()
        self._is_warm = not warm_up.max_seconds
        self._windows = Windows()
        self.first = 0
        """Number of the first round that is a sample."""
        self.trend: Trend | None = None

    def __call__(self, times: Times) -> bool:
        now_s, rounds = monotonic(), len(times.calls_ms[0])
        if self._is_warm:
            return self._is_enough(times, rounds - self.first, now_s)
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._look_at_warm_up(times, now_s - self._begin_s)
        return False

    def _look_at_warm_up(self, times: Times, seconds: float) -> None:
        total_ms = times.total_ms
        self._windows.add(seconds, total_ms)
        if seconds < min(self._warm_up.min_seconds, self._warm_up.max_seconds):
            return
        self.trend = self._windows.trend()
        is_steady = self.trend is not None and self.trend.is_steady(self._warm_up.tolerance)
        if is_steady or seconds >= self._warm_up.max_seconds:
            self._is_warm, self.sampling_s, self.first = True, monotonic(), len(total_ms)

    def _is_enough(self, times: Times, samples: int, now_s: float) -> bool:
        limits, seconds = self._sampling, now_s - self.sampling_s
        if samples < limits.min_samples:
            return False
        if samples >= limits.max_samples or seconds >= limits.max_seconds:
            return True
        is_due = now_s - self._looked_s >= LOOK_S or samples == limits.min_samples
        if seconds < limits.min_seconds or not is_due:
            return False
        self._looked_s = now_s
        half_width = summarise(times.since(self.first).total_ms).half_width
        return half_width is not None and half_width <= limits.target_half_width


def first_call_s(call: Call, device_type: str) -> float:
    """Returns the seconds until the result of the first call is there: compilation and autotuning included."""
    begin_s = monotonic()
    call()
    if device_type == "cuda":
        torch.cuda.synchronize()
    return monotonic() - begin_s
