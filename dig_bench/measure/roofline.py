"""Roofline of a device, measured: throughput of a large GEMM, memory bandwidth of a copy, and kernel-launch latency."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import torch

from dig_bench.measure import latency
from dig_bench.measure.latency import Sampling, WarmUp
from dig_bench.measure.statistics import summarise
from dig_bench.measure.timer import timer_for

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

LAUNCHES = 200
"""Kernels launched back to back, so that the timer resolves the time of one."""

RESTS, REST_S = 20, 0.05
"""Number and length of the pauses before single GEMMs on a GPU.

Large GEMMs back to back run a GPU into its power limit. Those of a network, with lighter work in between, run faster.
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Median with its 95 % interval, or with the range of the samples if they are too few for an interval."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Size:
    """Problem sizes, large enough that the GEMM is compute-bound and the copy memory-bound."""

    side: int
    """Rows and columns of the square matrices."""
    copied_bytes: int


SIZES = {"cuda": Size(side=8192, copied_bytes=1 << 30), "cpu": Size(side=512, copied_bytes=1 << 27)}


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Measured peaks of one device."""

    device_name: str
    torch: str
    gemm: Mapping[str, Measured]
    """TFLOP/s of a square GEMM by precision; on a GPU of a single one after a pause."""
    copy: Measured
    """Memory bandwidth in GB/s of a copy on the device; bytes read and bytes written both count."""
    kernel_launch_us: Mapping[str, Measured]
    """Time in us between back-to-back kernel launches, by execution."""
    sustained: Mapping[str, Measured]
    """TFLOP/s of the same GEMMs back to back, by precision; lower where a GPU reaches its power limit."""

    def peak_tflops(self, precision: str) -> float:
        """Returns the TFLOP/s of a large GEMM."""
        return self.gemm[precision].median

    @property
    def bandwidth_gb_per_s(self) -> float:
        return self.copy.median

    def floor_ms(self, flops: float, moved_bytes: float, precision: str) -> float:
        """Returns the shortest time that the roofline allows for this work, in ms."""
        return max(self._compute_ms(flops, precision), self._memory_ms(moved_bytes))

    def bound(self, flops: float, moved_bytes: float, precision: str) -> Literal["compute", "memory"]:
        """Returns which of the two limits this work."""
        return "compute" if self._compute_ms(flops, precision) > self._memory_ms(moved_bytes) else "memory"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def _compute_ms(self, flops: float, precision: str) -> float:
        return flops / (1e9 * self.peak_tflops(precision))

    def _memory_ms(self, moved_bytes: float) -> float:
        return moved_bytes / (1e6 * self.bandwidth_gb_per_s)


def measure(
    device: str, *, device_name: str, size: Size | None = None, max_seconds: float = 1.0, say: Callable[[str], None]
) -> Roofline:
    """Measures an idle device, `cpu` or `cuda`. Each of about ten values takes at most `max_seconds`."""
    size = size or SIZES[device]
    gemm, sustained = {}, {}
    for precision in DTYPES:
        say(f"GEMM, {precision}")
        back_to_back = _gemm(device, precision, size.side, partial(_times_ms, max_seconds=max_seconds))
        rested = _gemm(device, precision, size.side, _rested_ms) if device == "cuda" else back_to_back
        gemm[precision], sustained[precision] = rested, back_to_back
    say("memory bandwidth")
    copy = _copy(device, size.copied_bytes, max_seconds)
    say("kernel-launch latency")
    return Roofline(
        device_name=device_name,
        torch=torch.__version__,
        gemm=gemm,
        copy=copy,
        kernel_launch_us=_kernel_launches(device, max_seconds),
        sustained=sustained,
    )


def _gemm(device: str, precision: str, side: int, times_of: Callable[..., Sequence[float]]) -> Measured:
    a, b = (torch.randn(side, side, device=device).to(DTYPES[precision]) for _ in range(2))
    out = torch.empty_like(a)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        times_ms = times_of(lambda: torch.mm(a, b, out=out), device)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return _rate(2 * side**3 / 1e9, times_ms)


def _copy(device: str, copied_bytes: int, max_seconds: float) -> Measured:
    source = torch.randn(copied_bytes // 4, device=device)
    target = torch.empty_like(source)
    return _rate(2 * copied_bytes / 1e6, _times_ms(lambda: target.copy_(source), device, max_seconds))


def _kernel_launches(device: str, max_seconds: float) -> dict[str, Measured]:
    number = torch.zeros(1, device=device)

    def launch() -> None:
        for _ in range(LAUNCHES):
            number.add_(1)

    found = {"eager": _us_per_launch(_times_ms(launch, device, max_seconds))}
    if device == "cuda":
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            launch()
        found["graph"] = _us_per_launch(_times_ms(graph.replay, device, max_seconds))
    return found


def _rested_ms(call: Callable[[], object], device: str) -> Sequence[float]:
    """Times the second of two calls after each rest; the first one wakes the device up."""
    timer = timer_for(device, flush_l2=False, rest_s=REST_S)
    return timer([call, call], stop=lambda times: len(times.calls_ms[1]) >= RESTS).calls_ms[1][:RESTS]


def _times_ms(call: Callable[[], object], device: str, max_seconds: float) -> Sequence[float]:
    timed = latency.measure(
        [call],
        timer_for(device, flush_l2=False),
        warm_up=WarmUp(min_seconds=0.3 * max_seconds, max_seconds=max_seconds),
        sampling=Sampling(
            min_samples=5, max_samples=1000, min_seconds=0.0, max_seconds=max_seconds, target_half_width=0.005
        ),
    )
    return timed.times.total_ms


def _rate(amount: float, times_ms: Sequence[float]) -> Measured:
    """Divides `amount` by the times."""
    each = _interval(times_ms)
    return Measured(median=amount / each.median, low=amount / each.high, high=amount / each.low)


def _us_per_launch(times_ms: Sequence[float]) -> Measured:
    return _interval([1e3 * time_ms / LAUNCHES for time_ms in times_ms])


def _interval(values: Sequence[float]) -> Measured:
    found = summarise(values)
    return Measured(
        median=found.median,
        low=min(values) if found.ci_low is None else found.ci_low,
        high=max(values) if found.ci_high is None else found.ci_high,
    )
