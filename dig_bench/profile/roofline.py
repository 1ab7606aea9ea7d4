"""Components against the measured roofline: the shortest possible time, the measured time, and the bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dig_bench.measure.roofline import Bound
from dig_bench.profile.record import Profile


@dataclass(frozen=True, kw_only=True)
class Point:
    """A component of a step. Fields are None for a component without known FLOPs and bytes, and without a roofline."""

    component: str
    ms: float
    flops: float
    least_bytes: float
    intensity: float | None
    """Arithmetic intensity in FLOP/byte."""
    tflops_per_s: float | None
    gb_per_s: float | None
    floor_ms: float | None
    """Shortest time that the roofline allows: the longest of FLOPs at the GEMM peak, bytes at the memory bandwidth, and
    bytes that may stay in the cache at its bandwidth. At most the measured time, if the component has one."""
    bound: Bound | None
    is_capped: bool = False
    """True for a component that is faster than the roofline allows: some of its bytes came from a cache, or its peaks
    are higher than the measured ones. Its floor says no more than that it is at the roofline."""

    @property
    def share_of_roofline(self) -> float | None:
        """Shortest possible time over the measured one, at most 1."""
        return None if self.floor_ms is None or not self.ms else self.floor_ms / self.ms

    @property
    def lost_ms(self) -> float:
        """Time above the floor; all of the time of a component without a floor."""
        return max(0.0, self.ms - (self.floor_ms or 0.0))


def points(profile: Profile) -> list[Point]:
    """Returns a point per component, in the profile's order."""
    return list(_points(profile))


def losses(profile: Profile) -> list[Point]:
    """Returns the points by the time that they lose to the roofline, the largest loss first."""
    return sorted(points(profile), key=lambda point: -point.lost_ms)


def mfu(profile: Profile) -> float | None:
    """Returns the model FLOPs utilisation: exact FLOPs over unprofiled time, as a share of the GEMM peak.

    None without a roofline, and for a step that is faster than it allows: its peak is then too low.
    """
    if profile.roofline is None:
        return None
    flops = sum(each.flops for each in profile.components)
    share = flops / (profile.unprofiled_ms / 1e3) / (1e12 * profile.roofline.peak_tflops(profile.cell.precision))
    return share if share <= 1 else None


def floor_ms(profile: Profile) -> float | None:
    """Returns the time of a step whose components all run at the roofline; None without a roofline."""
    if profile.roofline is None:
        return None
    return min(profile.device_ms, sum(point.floor_ms or 0.0 for point in points(profile)))


def _points(profile: Profile) -> Iterator[Point]:
    precision, roofline = profile.cell.precision, profile.roofline
    for each in profile.components:
        seconds, floor, bound, is_capped = each.total_ms / 1e3, None, None, False
        if roofline is not None and (each.flops or each.least_bytes):
            cached = each.cached_bytes or 0.0
            floor = roofline.floor_ms(each.flops, each.least_bytes, precision, cached_bytes=cached)
            bound = roofline.bound(each.flops, each.least_bytes, precision, cached_bytes=cached)
            # A component without time of its own runs within a fused kernel of another one.
            is_capped = 0 < each.total_ms < floor
            floor = each.total_ms if is_capped else floor
        yield Point(
            component=each.component,
            ms=each.total_ms,
            flops=each.flops,
            least_bytes=each.least_bytes,
            intensity=each.flops / each.least_bytes if each.flops and each.least_bytes else None,
            tflops_per_s=each.flops / seconds / 1e12 if each.flops and seconds else None,
            gb_per_s=each.least_bytes / seconds / 1e9 if each.least_bytes and seconds else None,
            floor_ms=floor,
            bound=bound,
            is_capped=is_capped,
        )
