"""Timing, energy and second look: the passes of a cell that run its step, and the doubts that they leave."""

from __future__ import annotations

from typing import Any

from dig_bench.cell import Cell
from dig_bench.measure import host, latency
from dig_bench.measure.energy import measure_energy
from dig_bench.measure.latency import Sampling, Timed, WarmUp
from dig_bench.measure.monitor import Monitor
from dig_bench.measure.statistics import Summary, summarise
from dig_bench.measure.timer import REST_S, timer_for
from dig_bench.protocol import Protocol
from dig_bench.run.step import Step
from dig_bench.run.task import Say

Samples = dict[str, list[float]]
"""`latency_ms`, `host_ms` (CUDA) and one list per part of the step: `forward_ms`, `backward_ms`, ...; in order."""

HOST_BOUND = 0.9
"""Share of the latency from which the time in which the host issues a call bounds it."""

SLOW_HOST = 1.25
"""Slowdown of the host, relative to its best in the process, from which its latencies are doubted."""

SECOND_LOOK_S = 0.5

CONSISTENT = 0.03
"""Largest deviation of energy / (power x latency) from 1."""


class Passes:
    """Passes of one cell; fill `values`, `samples` and `doubts`, the reasons why the row is noisy."""

    def __init__(self, cell: Cell, protocol: Protocol, say: Say, monitor: Monitor | None) -> None:
        self.cell = cell
        self.protocol = protocol
        self.say = say
        self.monitor = monitor
        self.values: dict[str, Any] = {"state": protocol.state}
        self.samples: Samples = {}
        self.doubts: list[str] = []
        self.harmful: set[str] = set()
        """Throttle reasons of a GPU that protects itself."""
        rest_s = REST_S if protocol.state == "burst" else 0.0
        self._timer = timer_for(cell.device, flush_l2=protocol.flush_l2, rest_s=rest_s)

    def time(self, step: Step) -> None:
        """Warms up and samples the latency."""
        self.say("timing")
        parts = list(step.parts.values())
        if self.monitor is None:
            self._timed(step, latency.measure(parts, self._timer, warm_up=self._warm_up, sampling=self._sampling))
            return
        slowdown = host.this_process().slowdown()
        with self.monitor.watch() as recording:
            timed = latency.measure(parts, self._timer, warm_up=self._warm_up, sampling=self._sampling)
        seen = recording.between(timed.begin_s, timed.end_s)
        self.harmful |= set(seen.harmful)
        self.values |= {
            "host_slowdown": max(slowdown, host.this_process().slowdown()),
            "device_duty": timed.times.duty,
            "timing_power_w": seen.power_w,
            "timing_sm_clock_mhz": seen.sm_clock_mhz,
            "timing_throttle_reasons": " ".join(seen.throttle_reasons),
        }
        self._timed(step, timed)

    def measure_energy(self, step: Step) -> None:
        """Measures the energy of a step; does nothing on a CPU, and when the protocol leaves it out."""
        if self.monitor is None or not self.protocol.energy_seconds or self.protocol.state == "burst":
            return
        self.say("energy")
        parts = list(step.parts.values())
        energy = measure_energy(parts, self._timer, self.monitor, seconds=self.protocol.energy_seconds)
        joules = energy.joules_per_call
        consistency = energy.consistency(self.values["latency_ms_median"])
        self.harmful |= set(energy.recording.harmful)
        self.values |= {
            "energy_j_per_image": None if joules is None else joules / self.cell.batch_size,
            "energy_consistency": consistency,
            "power_w_mean": energy.power_w_mean,
            "sm_clock_mhz": energy.recording.sm_clock_mhz,
            "temperature_c": energy.recording.temperature_c,
            "throttle_reasons": " ".join(energy.recording.throttle_reasons),
        }
        if consistency is not None and abs(consistency - 1) > CONSISTENT:
            self.doubts.append(f"in the energy pass a call took {consistency:.2f} times the latency")

    def look_again(self, step: Step) -> None:
        """Times a host-bound step once more: a slow spell of the host lasts for seconds, not for all passes."""
        if self.monitor is None or not self._is_host_bound:
            return
        self.say("second look")
        look = Sampling(min_samples=6, max_samples=10**6, min_seconds=0, max_seconds=SECOND_LOOK_S, target_half_width=0)
        again = latency.measure(list(step.parts.values()), self._timer, warm_up=WarmUp(max_seconds=0), sampling=look)
        second = summarise(again.times.total_ms)
        first = summarise(self.samples["latency_ms"])
        self.values["second_look_ms_median"] = second.median
        if _apart(first, second) > self.protocol.target_half_width * first.median:
            self.values["latency_ms_ci_low"] = _lowest(first, second)
            self.values["latency_ms_ci_high"] = _highest(first, second)
            self.doubts.append(
                f"CPU-bound, and the host is unsteady: {first.median:.4g} ms, then {second.median:.4g} ms"
            )
        elif self.values["host_slowdown"] > SLOW_HOST:
            slowdown = self.values["host_slowdown"]
            self.doubts.append(
                f"CPU-bound: kernel launches took {slowdown:.2g} times as long as at best in this process"
            )

    @property
    def _warm_up(self) -> WarmUp:
        is_burst = self.protocol.state == "burst"
        return WarmUp(
            min_seconds=self.protocol.warmup_min_seconds,
            max_seconds=0.0 if is_burst else self.protocol.warmup_seconds,
            tolerance=self.protocol.warmup_tolerance,
        )

    @property
    def _sampling(self) -> Sampling:
        names = ("min_samples", "max_samples", "min_seconds", "max_seconds", "target_half_width")
        return Sampling(**{name: getattr(self.protocol, name) for name in names})

    @property
    def _is_host_bound(self) -> bool:
        if self.cell.is_graph or "host_ms" not in self.samples:
            return False
        host_ms, latency_ms = self.values["host_ms_median"], self.values["latency_ms_median"]
        return bool(host_ms >= HOST_BOUND * latency_ms)

    def _timed(self, step: Step, timed: Timed) -> None:
        times, trend = timed.times, timed.trend
        self.samples["latency_ms"] = times.total_ms
        if times.host_ms:
            self.samples["host_ms"] = times.host_ms
        if self.cell.mode != "forward":
            self.samples |= {f"{name}_ms": part for name, part in zip(step.parts, times.calls_ms, strict=True)}
        self.values |= {f"{name}_median": summarise(values).median for name, values in self.samples.items()}
        summary = summarise(times.total_ms)
        self.values |= {
            "latency_ms_p05": summary.p05,
            "latency_ms_p95": summary.p95,
            "latency_ms_ci_low": summary.ci_low,
            "latency_ms_ci_high": summary.ci_high,
            "latency_trend_per_s": trend and trend.per_s,
            "num_samples": summary.num_samples,
            "num_outliers": summary.num_outliers,
            "num_warmup": timed.warmup_rounds,
            "images_per_s": self.cell.batch_size / summary.median * 1e3,
        }
        if summary.half_width is None:
            self.doubts.append("a single sample has no interval")
        elif summary.half_width > self.protocol.target_half_width:
            self.doubts.append(f"the median is known to {summary.half_width:.1%} only")
        if trend is not None and not trend.is_steady(self.protocol.warmup_tolerance):
            self.doubts.append(f"still drifts by {trend.per_s:+.1%} per second after the longest warm-up")


def _apart(first: Summary, second: Summary) -> float:
    """Returns the gap between two intervals, in ms; negative when they overlap."""
    return max(_low(second) - _high(first), _low(first) - _high(second))


def _lowest(first: Summary, second: Summary) -> float:
    return min(_low(first), _low(second))


def _highest(first: Summary, second: Summary) -> float:
    return max(_high(first), _high(second))


def _low(summary: Summary) -> float:
    return summary.median if summary.ci_low is None else summary.ci_low


def _high(summary: Summary) -> float:
    return summary.median if summary.ci_high is None else summary.ci_high
