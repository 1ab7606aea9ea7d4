"""Peaks of a device: throughput of a large GEMM, bandwidth of memory and cache, kernel-launch latency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import torch

from dig_bench.measure import latency
from dig_bench.measure.latency import Sampling, WarmUp
from dig_bench.measure.roofline import Measured, Roofline
from dig_bench.measure.statistics import summarise
from dig_bench.measure.timer import timer_for

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

LAUNCHES = 200
"""Kernels launched back to back, so that the timer resolves the time of one."""

COPIES = 50
"""Copies within the cache back to back: a single one takes microseconds."""

FIRST_SIDE = 512
"""Side from which on a CPU the GEMM doubles, up to the largest one of which five fit into the time of a value."""

RESTS, REST_S = 20, 0.05
"""Number and length of the pauses before single GEMMs on a GPU.

Large GEMMs back to back run a GPU into its power limit. Those of a network, with lighter work in between, run faster.
"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Problem sizes, large enough that the GEMM is compute-bound and the copy memory-bound."""

    side: int
    """Rows and columns of the square matrices; on a CPU at most, as slow precisions take smaller ones."""
    copied_bytes: int


SIZES = {"cuda": Size(side=8192, copied_bytes=1 << 30), "cpu": Size(side=4096, copied_bytes=1 << 27)}


def measure(
    device: str, *, device_name: str, size: Size | None = None, max_seconds: float = 1.0, say: Callable[[str], None]
) -> Roofline:
    """Measures an idle device, `cpu` or `cuda`. Each of about ten values takes at most `max_seconds`, twice."""
    size = size or SIZES[device]
    cache_bytes = last_level_cache(device)
    gemm, sustained = {}, {}
    for precision in DTYPES:
        say(f"GEMM, {precision}")
        side = size.side if device == "cuda" else _side(precision, size.side, max_seconds)
        back_to_back = _gemm(device, precision, side, partial(_times_ms, max_seconds=max_seconds))
        rested = _gemm(device, precision, side, _rested_ms) if device == "cuda" else back_to_back
        gemm[precision], sustained[precision] = rested, back_to_back
    say("memory bandwidth")
    copy = _copy(device, size.copied_bytes, max_seconds)
    say("cache bandwidth")
    cache = _cache(device, min(cache_bytes, size.copied_bytes), max_seconds) if cache_bytes else None
    say("kernel-launch latency")
    return Roofline(
        device_name=device_name,
        torch=torch.__version__,
        gemm=gemm,
        copy=copy,
        kernel_launch_us=_kernel_launches(device, max_seconds),
        sustained=sustained,
        cache=cache,
        cache_bytes=cache_bytes,
    )


def last_level_cache(device: str) -> int | None:
    """Returns the size in bytes of the last-level cache of a GPU, or of the first CPU; None if unknown."""
    if device == "cuda":
        return int(torch.cuda.get_device_properties().L2_cache_size) or None
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        with suppress(OSError, ValueError):
            sizes.append(1024 * int(path.read_text().strip().removesuffix("K")))
    return max(sizes, default=None)


def _side(precision: str, most: int, max_seconds: float) -> int:
    """Returns the side of a CPU's GEMM: large, but small enough that five take at most `max_seconds`."""
    side = min(FIRST_SIDE, most)
    while 2 * side <= most:
        a = torch.randn(side, side).to(DTYPES[precision])
        torch.mm(a, a)
        begin_s = perf_counter()
        torch.mm(a, a)
        if 5 * 8 * (perf_counter() - begin_s) > max_seconds:
            break
        side *= 2
    return side


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


def _cache(device: str, cache_bytes: int, max_seconds: float) -> Measured:
    """Copies from one quarter of the cache to another."""
    source = torch.randn(cache_bytes // 16, device=device)
    target = torch.empty_like(source)
    copies = _captured(lambda: target.copy_(source), COPIES, device)
    moved_bytes = 2 * COPIES * source.numel() * source.element_size()
    return _rate(moved_bytes / 1e6, _times_ms(copies, device, max_seconds))


def _kernel_launches(device: str, max_seconds: float) -> dict[str, Measured]:
    number = torch.zeros(1, device=device)

    def launch() -> None:
        for _ in range(LAUNCHES):
            number.add_(1)

    found = {"eager": _us_per_launch(_times_ms(launch, device, max_seconds))}
    if device == "cuda":
        graph = _captured(lambda: number.add_(1), LAUNCHES, device)
        found["graph"] = _us_per_launch(_times_ms(graph, device, max_seconds))
    return found


def _captured(call: Callable[[], object], repeats: int, device: str) -> Callable[[], object]:
    """Returns a function that repeats the call; on a GPU, as one CUDA graph."""

    def repeated() -> None:
        for _ in range(repeats):
            call()

    if device != "cuda":
        return repeated
    call()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        repeated()
    replay: Callable[[], object] = graph.replay
    return replay


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
