"""Roofline of a device: its measured peaks, and the shortest times that they allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Bound = Literal["compute", "memory", "cache"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Median with its 95 % interval, or with the range of the samples if they are too few for an interval."""

    median: float
    low: float
    high: float


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
    cache: Measured | None = None
    """Bandwidth in GB/s of copies within half of the last-level cache, launches included; None if not measured."""
    cache_bytes: int | None = None
    """Size of the last-level cache: the L2 cache of a GPU, usually the L3 cache of a CPU; None if unknown."""
    other_cpus: float | None = None
    """Mean number of CPUs that other processes kept busy meanwhile; None on a GPU, and if nobody looked."""

    def peak_tflops(self, precision: str) -> float:
        """Returns the TFLOP/s of a large GEMM."""
        return self.gemm[precision].median

    @property
    def bandwidth_gb_per_s(self) -> float:
        return self.copy.median

    def floor_ms(self, flops: float, moved_bytes: float, precision: str, *, cached_bytes: float = 0.0) -> float:
        """Returns the shortest time that the roofline allows for this work, in ms.

        `cached_bytes` are those of `moved_bytes` that may stay in the cache; without a measured cache they count as
        memory traffic, too.
        """
        return max(self._times_ms(flops, moved_bytes, cached_bytes, precision).values())

    def bound(self, flops: float, moved_bytes: float, precision: str, *, cached_bytes: float = 0.0) -> Bound:
        """Returns which of the limits this work."""
        times_ms = self._times_ms(flops, moved_bytes, cached_bytes, precision)
        return max(times_ms, key=lambda name: times_ms[name])

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def _times_ms(self, flops: float, moved_bytes: float, cached_bytes: float, precision: str) -> dict[Bound, float]:
        cached = cached_bytes if self.cache else 0.0
        # A cache is no slower than the memory behind it, even if launches make its short copies slower.
        cache_gb_per_s = max(self.cache.median if self.cache else 0.0, self.bandwidth_gb_per_s)
        return {
            "memory": (moved_bytes - cached) / (1e6 * self.bandwidth_gb_per_s),
            "compute": flops / (1e9 * self.peak_tflops(precision)),
            "cache": cached / (1e6 * cache_gb_per_s),
        }
