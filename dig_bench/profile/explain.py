"""What two profiles of one step say of each other, and what a profile says of its roofs."""

from __future__ import annotations

from dataclasses import dataclass

from dig_bench.profile import roofline
from dig_bench.profile.components import COMPONENTS
from dig_bench.profile.record import Profile


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Of one component between two profiles, in ms of device time a step."""

    component: str
    base_ms: float
    other_ms: float

    @property
    def ms(self) -> float:
        return self.other_ms - self.base_ms


def differences(base: Profile, other: Profile) -> list[Difference]:
    """Of all components of either, the one that makes the largest difference first."""
    of_base, of_other = (profile.by_component for profile in (base, other))
    found = [
        Difference(
            component=name,
            base_ms=of_base[name].total_ms if name in of_base else 0.0,
            other_ms=of_other[name].total_ms if name in of_other else 0.0,
        )
        for name in in_order({*of_base, *of_other})
    ]
    return sorted(found, key=lambda each: -abs(each.ms))


def losses(profile: Profile) -> list[roofline.Point]:
    """The components by what they lose to their roofs, the most first."""
    return sorted(roofline.points(profile), key=lambda point: -point.lost_ms)


def compared(base: Profile, other: Profile, conditions: str) -> str:
    """In a sentence: which is faster, by how much, and which component makes the difference. Both were profiled under
    `conditions`, `2048 px, forward`."""
    ratio = other.unprofiled_ms / base.unprofiled_ms
    fast, slow, ratio = (base, other, ratio) if ratio >= 1 else (other, base, 1 / ratio)
    total_ms = slow.device_ms - fast.device_ms
    first = max(differences(fast, slow), key=lambda each: each.ms)
    words = (
        f"At {conditions}, {fast.name} takes {fast.unprofiled_ms:.3g} ms and {slow.name} {slow.unprofiled_ms:.3g} ms: "
        f"{ratio:.2f} times as long."
    )
    if total_ms <= 0:
        return f"{words} On {fast.where} itself {fast.name} is no faster: the difference is gaps between kernels."
    return (
        f"{words} Of {total_ms:.3g} ms more on {fast.where}, {first.component} makes {first.ms:.3g} ms "
        f"({first.base_ms:.3g} against {first.other_ms:.3g})."
    )


def against_the_roof(profile: Profile, conditions: str) -> str:
    """In a sentence: how far a step is from the least that it could take, and where the time goes."""
    floor_ms = roofline.floor_ms(profile)
    most = [point for point in losses(profile)[:3] if point.lost_ms > 0]
    lost = ", ".join(f"{point.component} {point.lost_ms:.3g} ms" for point in most)
    too_low = ", so that the roofs are measured too low" if floor_ms > profile.device_ms else ""
    return (
        f"{profile.name} at {conditions}: {profile.device_ms:.3g} ms on {profile.where}, where its components at their "
        f"roofs would take {floor_ms:.3g} ms{too_low}; over theirs are {lost}."
    )


def in_order(components: set[str]) -> list[str]:
    """As data passes through the networks; what is no part of their architecture last."""
    return [name for name in COMPONENTS if name in components] + sorted(components - set(COMPONENTS))
