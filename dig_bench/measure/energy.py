"""Energy of a call on a GPU, from its energy counter while the call repeats without a pause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dig_bench.measure.monitor import Monitor
from dig_bench.measure.recording import Recording
from dig_bench.measure.timer import Call, Timer, Times, after

SMALL_FLUSH = 0.02
"""Share of a round below which the flush of the L2 cache is taken to draw the power of the round."""

FLUSH_SECONDS = 0.45
"""Length of the pass that measures the power of flushes: four advances of the energy counter."""


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy of back-to-back calls. None if the GPU does not report a value."""

    joules_per_call: float | None
    power_w_mean: float | None
    """Mean power while the call runs."""
    call_ms: float
    """Mean time of a call in this pass."""
    recording: Recording

    def consistency(self, latency_ms: float) -> float | None:
        """Returns energy / (power x latency): 1 if the calls took as long in this pass as `latency_ms`."""
        return None if self.joules_per_call is None else self.call_ms / latency_ms


def measure_energy(calls: Sequence[Call], timer: Timer, monitor: Monitor, *, seconds: float) -> Energy:
    """Runs rounds of the calls for `seconds` while the monitor reads the energy counter.

    Each round starts with a flush of the L2 cache, as in the timing pass. Where flushes take more than SMALL_FLUSH of
    the time, their power is measured in a pass of its own, and their energy is left out.
    """
    times, recording = _run(calls, timer, monitor, seconds)
    call_ms = sum(times.total_ms) / len(times.total_ms)
    gap_ms = sum(times.gaps_ms) / max(len(times.gaps_ms), 1)
    power_w = recording.power_w
    if power_w is None:
        return Energy(joules_per_call=None, power_w_mean=None, call_ms=call_ms, recording=recording)
    flush_w = power_w
    if gap_ms > SMALL_FLUSH * call_ms:
        flush_w = _run([], timer, monitor, FLUSH_SECONDS)[1].power_w or power_w
    joules = (power_w * (call_ms + gap_ms) - flush_w * gap_ms) / 1e3
    return Energy(joules_per_call=joules, power_w_mean=1e3 * joules / call_ms, call_ms=call_ms, recording=recording)


def _run(calls: Sequence[Call], timer: Timer, monitor: Monitor, seconds: float) -> tuple[Times, Recording]:
    with monitor.watch() as recording:
        times = timer(calls, stop=after(seconds))
    return times, recording
