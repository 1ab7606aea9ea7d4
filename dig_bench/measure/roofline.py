"""What this device can do at best, measured: large matrix products, a large copy, and launches of an empty kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from time import sleep
from typing import Any, Literal

import torch

from dig_bench.measure.latency import sample, timer_for, warm_up
from dig_bench.measure.statistics import summarise

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

LAUNCHES = 200
"""Issued in a row, so that the time of one is resolved."""

RESTS, REST_S = 20, 0.05
"""Pauses before single products on a GPU, and their length. Large ones, one after the other, run a GPU into its power
limit; a network's, with lighter work between them, are faster than those."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A median with its 95 % interval; where there are too few samples for one, all that there are."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of what is measured: large enough to be limited by what it is to show."""

    side: int
    """Of square matrices."""
    copied_bytes: int


SIZES = {"cuda": Size(side=8192, copied_bytes=1 << 30), "cpu": Size(side=512, copied_bytes=1 << 27)}


@dataclass(frozen=True, kw_only=True)
class Roofs:
    device_name: str
    torch: str
    products: Mapping[str, Measured]
    """Precision -> TFLOP/s of a square matrix product, on a GPU of one after a pause."""
    copy: Measured
    """GB/s of a copy on the device, what is read and what is written both counted."""
    launch_us: Mapping[str, Measured]
    """Execution -> us between launches of an operation on one number, in a row."""
    sustained: Mapping[str, Measured] = field(default_factory=dict)
    """Precision -> TFLOP/s of the same products, one after the other: less, where a GPU's power does not last.
    Empty in files of earlier versions, which measured no others, and took them for the roof."""

    def matrix_tflops(self, precision: str) -> float:
        return self.products[precision].median

    @property
    def copy_gb_per_s(self) -> float:
        return self.copy.median

    def roof_ms(self, flops: float, moved_bytes: float, precision: str) -> float:
        """The least time for so much work: the longer of its products and its bytes."""
        return max(self._product_ms(flops, precision), self._copy_ms(moved_bytes))

    def bound(self, flops: float, moved_bytes: float, precision: str) -> Literal["compute", "memory"]:
        return "compute" if self._product_ms(flops, precision) > self._copy_ms(moved_bytes) else "memory"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def _product_ms(self, flops: float, precision: str) -> float:
        return flops / (1e9 * self.matrix_tflops(precision))

    def _copy_ms(self, moved_bytes: float) -> float:
        return moved_bytes / (1e6 * self.copy_gb_per_s)


def measure(
    device: str, *, device_name: str, size: Size | None = None, max_seconds: float = 1.0, say: Callable[[str], None]
) -> Roofs:
    """On an idle device, `cpu` or `cuda`; up to `max_seconds` for each of some ten figures."""
    size = size or SIZES[device]
    products, sustained = {}, {}
    for precision in DTYPES:
        say(f"matrix product, {precision}")
        in_a_row = _product(device, precision, size.side, partial(_times_ms, max_seconds=max_seconds))
        rested = _product(device, precision, size.side, _rested_ms) if device == "cuda" else in_a_row
        products[precision], sustained[precision] = rested, in_a_row
    say("copy")
    copy = _copy(device, size.copied_bytes, max_seconds)
    say("launches")
    return Roofs(
        device_name=device_name,
        torch=torch.__version__,
        products=products,
        copy=copy,
        launch_us=_launches(device, max_seconds),
        sustained=sustained,
    )


def _product(device: str, precision: str, side: int, times_of: Callable[..., Sequence[float]]) -> Measured:
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


def _launches(device: str, max_seconds: float) -> dict[str, Measured]:
    number = torch.zeros(1, device=device)

    def launch() -> None:
        for _ in range(LAUNCHES):
            number.add_(1)

    found = {"eager": _each_us(_times_ms(launch, device, max_seconds))}
    if device == "cuda":
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            launch()
        found["graph"] = _each_us(_times_ms(graph.replay, device, max_seconds))
    return found


def _rested_ms(call: Callable[[], object], device: str) -> Sequence[float]:
    """Of the second of two calls after a pause: the first one wakes the device up."""
    timer = timer_for(device, flush_l2=False)
    times_ms = []
    for _ in range(RESTS):
        sleep(REST_S)
        times_ms.append(timer([call], 2).total_ms[1])
    return times_ms


def _times_ms(call: Callable[[], object], device: str, max_seconds: float) -> Sequence[float]:
    timer = timer_for(device, flush_l2=False)
    warm_up([call], timer, agreement=0.02, max_rounds=1000, max_seconds=max_seconds)
    return sample(
        [call],
        timer,
        min_samples=5,
        max_samples=1000,
        min_seconds=0.0,
        max_seconds=max_seconds,
        target_half_width=0.005,
    ).total_ms


def _rate(amount: float, times_ms: Sequence[float]) -> Measured:
    """`amount` a ms."""
    each = _interval(times_ms)
    return Measured(median=amount / each.median, low=amount / each.high, high=amount / each.low)


def _each_us(times_ms: Sequence[float]) -> Measured:
    return _interval([1e3 * time_ms / LAUNCHES for time_ms in times_ms])


def _interval(values: Sequence[float]) -> Measured:
    found = summarise(values)
    return Measured(
        median=found.median,
        low=min(values) if found.ci_low is None else found.ci_low,
        high=max(values) if found.ci_high is None else found.ci_high,
    )
