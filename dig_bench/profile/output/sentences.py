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
    """Returns sentences on the first model at its largest resolution, one list by conditions.

    A list is empty where that profile is not representative.
    """
    beside = rivals(profiles)
    found = []
    for group, profile in largest(profiles, of_first=True):
        pair = beside.get(conditions_of(profile))
        first = [compared(pair)] if pair and pair.is_representative else []
        own = [against_the_roofline(profile, group.conditions)] if profile.is_representative else []
        found.append([*first, *own])
    return found


def not_representative(profiles: Sequence[Profile]) -> list[str]:
    """Says of each profile that is not representative that it gives no finding, and why."""
    return [
        f"The profile of {profile.name} at {profile.cell.without('model', 'backend', 'execution').label()} is not "
        f"representative and gives no finding: profiled, a step takes {percent(profile.disagreement, signed=True)} "
        "against an unprofiled one."
        for profile in profiles
        if not profile.is_representative
    ]


def compared(pair: Pair) -> str:
    """Says which of two profiles is faster, by how much, and which component makes the difference."""
    fast, slow = sorted((pair.base, pair.other), key=lambda each: each.unprofiled_ms)
    words = (
        f"{pair.group.conditions}: {fast.name} takes {significant(fast.unprofiled_ms)} ms and {slow.name} "
        f"{significant(slow.unprofiled_ms)} ms"
    )
    if not pair.is_conclusive:
        return f"{words} in one process each: inconclusive, since their intervals overlap.{_power_limits(fast, slow)}"
    words += f", {factor(slow.unprofiled_ms / fast.unprofiled_ms)} times as long, in one process each."
    return f"{words} {_explained(fast, slow)}{_power_limits(fast, slow)}"


def _explained(fast: Profile, slow: Profile) -> str:
    total_ms = slow.device_ms - fast.device_ms
    if total_ms <= 0:
        return f"The kernels of {fast.name} are no faster.{_gaps(fast, slow)}"
    first = max(differences(fast, slow), key=lambda each: each.ms)
    return (
        f"On {fast.where}, {slow.name} needs {significant(total_ms)} ms more, of which "
        f"{first.component} takes {significant(first.ms)} ms ({significant(first.base_ms)} against "
        f"{significant(first.other_ms)} ms)."
    )


def _gaps(fast: Profile, slow: Profile) -> str:
    of_fast, of_slow = fast.fastest, slow.fastest
    if not (of_fast and of_slow and of_fast.shows_gaps and of_slow.shows_gaps):
        return ""
    return f" The gaps between kernels take {significant(of_fast.gap_ms)} against {significant(of_slow.gap_ms)} ms."


def _power_limits(fast: Profile, slow: Profile) -> str:
    """Says which of the two runs at the power limit, if one does: it would be faster with more power."""
    capped = {each.name: each.fastest.is_power_capped for each in (fast, slow) if each.fastest}
    if set(capped.values()) != {True, False}:
        return ""
    limited, other = sorted(capped, key=lambda name: not capped[name])
    return f" {limited} runs at the power limit of the GPU, {other} does not."


def against_the_roofline(profile: Profile, conditions: str) -> str:
    """Says how far a step is from the shortest possible time, and where the time goes."""
    floor_ms, mfu = roofline.floor_ms(profile), roofline.mfu(profile)
    words = f"{profile.name} at {conditions}: {significant(profile.device_ms)} ms on {profile.where}"
    if floor_ms is None:
        return f"{words}, without bounds: the roofline was not measured.{_energy(profile)}"
    losses = roofline.losses(profile)
    lost = ", ".join(f"{each.component} ({significant(each.lost_ms)} ms)" for each in losses[:3] if each.lost_ms > 0)
    capped = ", ".join(each.component for each in losses if each.is_capped)
    return (
        f"{words}; at the roofline, its components would take {significant(floor_ms)} ms. "
        + (f"The largest losses: {lost}. " if lost else "")
        + (f"Faster than their bounds, which count as reached: {capped}. " if capped else "")
        + ("No MFU: the step is faster than the measured GEMM peak allows." if mfu is None else f"MFU: {percent(mfu)}.")
        + _energy(profile)
    )


def _energy(profile: Profile) -> str:
    fastest = profile.fastest
    if fastest is None or not fastest.is_power_capped or fastest.joules is None:
        return ""
    return (
        f" It runs at the power limit of the GPU: the energy of a step, {significant(fastest.joules)} J at "
        f"{significant(fastest.power_w)} W, sets its time."
    )


def differing(profiles: Sequence[Profile]) -> list[str]:
    """Returns the fields of machine and revision in which profiles differ: `torch 2.11.0, 2.12.0`."""
    values = {name: list(dict.fromkeys(str(each.environment.get(name)) for each in profiles)) for name in SAME}
    return [f"{name} {', '.join(found)}" for name, found in values.items() if len(found) > 1]
