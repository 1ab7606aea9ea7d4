"""Findings in sentences: which model is faster and why, and how far a step is from the roofline."""

from __future__ import annotations

from collections.abc import Sequence

from dig_bench.profile import roofline
from dig_bench.profile.differences import differences
from dig_bench.profile.folder import SAME
from dig_bench.profile.output.groups import Pair, conditions_of, largest, rivals
from dig_bench.profile.record import Profile
from dig_bench.render.numbers import factor, percent, significant


def findings(profiles: Sequence[Profile]) -> list[list[str]]:
    """Returns sentences on the first model at its largest resolution, one list by conditions."""
    beside = rivals(profiles)
    found = []
    for group, profile in largest(profiles, of_first=True):
        pair = beside.get(conditions_of(profile))
        found.append([*([compared(pair)] if pair else []), against_the_roofline(profile, group.conditions)])
    return found


def compared(pair: Pair) -> str:
    """Says which of two profiles is faster, by how much, and which component makes the difference."""
    fast, slow = sorted((pair.base, pair.other), key=lambda each: each.unprofiled_ms)
    total_ms = slow.device_ms - fast.device_ms
    first = max(differences(fast, slow), key=lambda each: each.ms)
    words = (
        f"{pair.group.conditions}: {fast.name} takes {significant(fast.unprofiled_ms)} ms and {slow.name} "
        f"{significant(slow.unprofiled_ms)} ms, {factor(slow.unprofiled_ms / fast.unprofiled_ms)} times as long."
    )
    if total_ms <= 0:
        return f"{words} The kernels of {fast.name} are no faster: the difference is idle time between kernels."
    return (
        f"{words} On {fast.where}, {slow.name} needs {significant(total_ms)} ms more, of which "
        f"{first.component} takes {significant(first.ms)} ms ({significant(first.base_ms)} against "
        f"{significant(first.other_ms)} ms)."
    )


def against_the_roofline(profile: Profile, conditions: str) -> str:
    """Says how far a step is from the shortest possible time, and where the time goes."""
    floor_ms = roofline.floor_ms(profile)
    most = [point for point in roofline.losses(profile)[:3] if point.lost_ms > 0]
    lost = ", ".join(f"{point.component} ({significant(point.lost_ms)} ms)" for point in most)
    too_low = " (so the measured roofline is too low)" if floor_ms > profile.device_ms else ""
    return (
        f"{profile.name} at {conditions}: {significant(profile.device_ms)} ms on {profile.where}; at the roofline, its "
        f"components would take {significant(floor_ms)} ms{too_low}. "
        + (f"The largest losses: {lost}. " if lost else "")
        + f"MFU: {percent(roofline.mfu(profile))}."
    )


def differing(profiles: Sequence[Profile]) -> list[str]:
    """Returns the fields of machine and revision in which profiles differ: `torch 2.11.0, 2.12.0`."""
    values = {name: list(dict.fromkeys(str(each.environment.get(name)) for each in profiles)) for name in SAME}
    return [f"{name} {', '.join(found)}" for name, found in values.items() if len(found) > 1]
