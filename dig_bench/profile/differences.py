"""Differences between two profiles, by component."""

from __future__ import annotations

from dataclasses import dataclass

from dig_bench.profile.components import COMPONENTS
from dig_bench.profile.record import Profile


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One component in two profiles, in ms of device time per step."""

    component: str
    base_ms: float
    other_ms: float

    @property
    def ms(self) -> float:
        return self.other_ms - self.base_ms


def differences(base: Profile, other: Profile) -> list[Difference]:
    """Returns the differences of all components of either profile, the largest first."""
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


def in_order(components: set[str]) -> list[str]:
    """Sorts components as data passes through the networks, and those outside the architecture last."""
    return [name for name in COMPONENTS if name in components] + sorted(components - set(COMPONENTS))
