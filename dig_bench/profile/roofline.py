"""Components against the measured roofline: the shortest possible time, the measured time, and the bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dig_bench.profile.record import Profile


@dataclass(frozen=True, kw_only=True)
class Point:
    """A component of a step. Fields are None for a component without known FLOPs and bytes."""

    component: str
    ms: float
    flops: float
    least_bytes: float
    intensity: float | None
    """Arithmetic intensity in FLOP/byte."""
    tflops_per_s: float | None
    gb_per_s: float | None
    floor_ms: float | None
    """Shortest time that the roofline allows: FLOPs at the GEMM peak or bytes at the memory bandwidth, the longer."""
    bound: Literal["compute", "memory"] | None

    @property
    def share_of_roofline(self) -> float | None:
        """Shortest possible time over the measured one."""
        return None if self.floor_ms is None or not self.ms else self.floor_ms / self.ms

    @property
    def lost_ms(self) -> float:
        """Time above the floor; all of the time of a component without a floor."""
        return self.ms - (self.floor_ms or 0.0)


def points(profile: Profile) -> list[Point]:
    """Returns a point per component, in the profile's order."""
    return list(_points(profile))


def losses(profile: Profile) -> list[Point]:
    """Returns the points by the time that they lose to the roofline, the largest loss first."""
    return sorted(points(profile), key=lambda point: -point.lost_ms)


def mfu(profile: Profile) -> float:
    """Returns the model FLOPs utilisation: exact FLOPs over unprofiled time, as a share of the GEMM peak."""
    flops = sum(each.flops for each in profile.components)
    return flops / (profile.unprofiled_ms / 1e3) / (1e12 * profile.roofline.peak_tflops(profile.cell.precision))


def floor_ms(profile: Profile) -> float:
    """Returns the time of a step whose components all run at the roofline."""
    return sum(point.floor_ms or 0.0 for point in points(profile))


def _points(profile: Profile) -> Iterator[Point]:
    precision, roofline = profile.cell.precision, profile.roofline
    for each in profile.components:
        known = bool(each.flops or each.least_bytes)
        seconds = each.total_ms / 1e3
        yield Point(
            component=each.component,
            ms=each.total_ms,
            flops=each.flops,
            least_bytes=each.least_bytes,
            intensity=each.flops / each.least_bytes if each.flops and each.least_bytes else None,
            tflops_per_s=each.flops / seconds / 1e12 if each.flops and seconds else None,
            gb_per_s=each.least_bytes / seconds / 1e9 if each.least_bytes and seconds else None,
            floor_ms=roofline.floor_ms(each.flops, each.least_bytes, precision) if known else None,
            bound=roofline.bound(each.flops, each.least_bytes, precision) if known else None,
        )
