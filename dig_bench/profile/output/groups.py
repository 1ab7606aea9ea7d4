"""Profiles of equal conditions, and what these are called on a page: by what differs there, and by no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from dig_bench.profile.record import Profile
from dig_bench.render.text import slug

NAMED_IF_VARYING = ("precision", "batch_size", "device")


@dataclass(frozen=True, kw_only=True)
class Group:
    profiles: Sequence[Profile]
    conditions: str
    """`2048 px, forward`, and what else differs on the page: `2048 px, forward, fp32, batch 8, cpu`."""
    slug: str
    """The same in a file's name: `forward-2048px`, `forward-2048px-fp32-batch-8-cpu`."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two profiles of one group."""

    base: Profile
    other: Profile
    group: Group


def groups(profiles: Sequence[Profile], *, over_resolutions: bool = False) -> list[Group]:
    """Of one resolution each, or of all resolutions. By mode, then what differs, then resolution."""
    varying = _varying(profiles)

    def key(profile: Profile) -> tuple[str | int, ...]:
        return regime(profile) if over_resolutions else (*regime(profile), profile.cell["resolution_px"])

    found = []
    for _, members in groupby(sorted(profiles, key=key), key=key):
        alike = list(members)
        cell = alike[0].cell
        px, mode, others = cell["resolution_px"], cell["mode"], [_word(name, cell[name]) for name in varying]
        where = [mode, *others] if over_resolutions else [f"{px} px", mode, *others]
        name = [mode, *others] if over_resolutions else [mode, f"{px}px", *others]
        found.append(Group(profiles=alike, conditions=", ".join(where), slug=slug("-".join(name))))
    return found


def pairs(profiles: Sequence[Profile]) -> list[Pair]:
    """The first model with every other, under equal conditions."""
    return [
        Pair(base=base, other=other, group=group)
        for group in groups(profiles)
        for base in group.profiles
        if base.name == profiles[0].name
        for other in group.profiles
        if other.name != base.name
    ]


def at_largest(profiles: Sequence[Profile]) -> list[Pair]:
    """Of `pairs`, those at the largest resolution that there is for both."""
    found = {}
    for pair in pairs(profiles):
        # Resolutions ascend: the last one stays.
        found[pair.other.name, regime(pair.other)] = pair
    return list(found.values())


def rivals(profiles: Sequence[Profile]) -> dict[tuple[str | int, ...], Pair]:
    """Of `pairs`, one for each `regime`: with the fastest other model at the largest resolution that has any; where
    there is no other model, with the fastest other backend."""
    found: dict[tuple[str | int, ...], Pair] = {}
    for pair in pairs(profiles):
        key = regime(pair.base)
        if key not in found or _rank(pair) > _rank(found[key]):
            found[key] = pair
    return found


def largest(profiles: Sequence[Profile], *, of_first: bool = False) -> list[tuple[Group, Profile]]:
    """Of each model, or of the first, the profile of the largest resolution in each `regime`."""
    found = {}
    for group in groups(profiles):
        for profile in group.profiles:
            if not of_first or profile.name == profiles[0].name:
                found[profile.name, regime(profile)] = (group, profile)
    return list(found.values())


def regime(profile: Profile) -> tuple[str | int, ...]:
    """All conditions but the resolution."""
    return tuple(profile.cell[name] for name in ("mode", *NAMED_IF_VARYING))


def shared(profiles: Sequence[Profile]) -> list[str]:
    """What all profiles have in common, which no figure says: `bf16`, `batch 1`, the device."""
    varying = _varying(profiles)
    devices = {str(each.environment.get("gpu_name") or each.environment.get("cpu") or "") for each in profiles}
    words = [_word(name, profiles[0].cell[name]) for name in NAMED_IF_VARYING[:2] if profiles and name not in varying]
    return [*words, *(devices - {""} if len(devices) == 1 else ())]


def _rank(pair: Pair) -> tuple[bool, int, float]:
    is_other_model = pair.other.cell["model"] != pair.base.cell["model"]
    return is_other_model, pair.base.cell["resolution_px"], -pair.other.unprofiled_ms


def _varying(profiles: Sequence[Profile]) -> list[str]:
    return [name for name in NAMED_IF_VARYING if len({profile.cell[name] for profile in profiles}) > 1]


def _word(name: str, value: object) -> str:
    return f"batch {value}" if name == "batch_size" else str(value)
