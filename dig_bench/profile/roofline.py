"""Each component against the roofs that were measured on this machine: what it could take, what it takes, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dig_bench.profile.record import Profile


@dataclass(frozen=True, kw_only=True)
class Point:
    """A component of a step. None where it has neither FLOPs nor bytes that the shapes tell."""

    component: str
    ms: float
    flops: float
    least_bytes: float
    intensity: float | None
    """FLOPs a byte."""
    tflops_per_s: float | None
    gb_per_s: float | None
    roof_ms: float | None
    """The least that it can take: by its FLOPs at the roof of matrix products, or by its bytes at that of a copy."""
    bound: Literal["compute", "memory"] | None

    @property
    def share_of_roof(self) -> float | None:
        return None if self.roof_ms is None or not self.ms else self.roof_ms / self.ms

    @property
    def lost_ms(self) -> float:
        """Over the roof; all of the time of what no shape asks for."""
        return self.ms - (self.roof_ms or 0.0)


def points(profile: Profile) -> list[Point]:
    """In the profile's order of components."""
    return list(_points(profile))


def mfu(profile: Profile) -> float:
    """Model FLOPs utilisation of the whole step: exact FLOPs over unprofiled time, against the matrix roof."""
    flops = sum(each.flops for each in profile.components)
    return flops / (profile.unprofiled_ms / 1e3) / (1e12 * profile.roofs.peak_tflops(profile.cell["precision"]))


def floor_ms(profile: Profile) -> float:
    """Of a step each of whose components runs at its roof."""
    return sum(point.roof_ms or 0.0 for point in points(profile))


def _points(profile: Profile) -> Iterator[Point]:
    precision, roofs = profile.cell["precision"], profile.roofs
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
            roof_ms=roofs.floor_ms(each.flops, each.least_bytes, precision) if known else None,
            bound=roofs.bound(each.flops, each.least_bytes, precision) if known else None,
        )
