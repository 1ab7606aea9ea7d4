"""Groups of profiles under equal conditions, and the pairs that a page compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from dig_bench.cell import Key
from dig_bench.profile.record import Profile
from dig_bench.render import labels
from dig_bench.render.text import slug

CONDITIONS = ("mode", "precision", "batch_size", "device")
"""Fields that make the conditions, besides the resolution, in the order of sorting."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Profiles under equal conditions."""

    profiles: Sequence[Profile]
    key: Key
    """Conditions that a title names: the resolution, if all share it, the mode, and what varies on the page."""

    @property
    def conditions(self) -> str:
        """`2048 px · forward`; where the page has several precisions, `2048 px · forward · fp32`."""
        return self.key.label()

    @property
    def slug(self) -> str:
        """Part of a file name: `forward-2048px`, `forward-2048px-fp32-batch-8-cpu`."""
        px = f"{self.key.resolution_px}px" if self.key.resolution_px else ""
        return slug(f"{self.key.mode} {px} {self.key.without('mode', 'resolution_px')}")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two profiles of one group."""

    base: Profile
    other: Profile
    group: Group

    @property
    def is_representative(self) -> bool:
        """True if both profiles are: their components explain the difference."""
        return self.base.is_representative and self.other.is_representative

    @property
    def is_conclusive(self) -> bool:
        """False if the intervals of both latencies, in the faster execution of each, overlap."""
        fast, slow = sorted((self.base, self.other), key=lambda each: each.unprofiled_ms)
        if fast.fastest is None or slow.fastest is None:
            return True
        high, low = fast.fastest.latency_high_ms, slow.fastest.latency_low_ms
        return high is None or low is None or high < low


def groups(profiles: Sequence[Profile], *, over_resolutions: bool = False) -> list[Group]:
    """Groups by conditions and by resolution; with `over_resolutions`, by conditions only. Sorted by both."""
    named = ["mode", *_varying(profiles)] + ([] if over_resolutions else ["resolution_px"])

    def order(profile: Profile) -> tuple[str | int, ...]:
        fields = CONDITIONS if over_resolutions else (*CONDITIONS, "resolution_px")
        return tuple(getattr(profile.cell, name) for name in fields)

    members = (list(alike) for _, alike in groupby(sorted(profiles, key=order), key=order))
    return [Group(profiles=alike, key=alike[0].cell.only(*named)) for alike in members]


def pairs(profiles: Sequence[Profile]) -> list[Pair]:
    """Pairs the first model with every other one, under equal conditions."""
    return [
        Pair(base=base, other=other, group=group)
        for group in groups(profiles)
        for base in group.profiles
        if base.name == profiles[0].name
        for other in group.profiles
        if other.name != base.name
    ]


def at_largest(profiles: Sequence[Profile]) -> list[Pair]:
    """Returns the pairs at the largest resolution that both models have, one for each other model and conditions."""
    found = {}
    for pair in pairs(profiles):
        # Resolutions ascend: the last one stays.
        found[pair.other.name, conditions_of(pair.other)] = pair
    return list(found.values())


def rivals(profiles: Sequence[Profile]) -> dict[Key, Pair]:
    """Returns one pair by conditions: with the fastest other model at the largest resolution that one has.

    Without another model, the pair is with the fastest other backend.
    """
    found: dict[Key, Pair] = {}
    for pair in pairs(profiles):
        key = conditions_of(pair.base)
        if key not in found or _rank(pair) > _rank(found[key]):
            found[key] = pair
    return found


def largest(profiles: Sequence[Profile], *, of_first: bool = False) -> list[tuple[Group, Profile]]:
    """Returns each model's profile at its largest resolution, by conditions; with `of_first`, the first model's."""
    found = {}
    for group in groups(profiles):
        for profile in group.profiles:
            if not of_first or profile.name == profiles[0].name:
                found[profile.name, conditions_of(profile)] = (group, profile)
    return list(found.values())


def conditions_of(profile: Profile) -> Key:
    """Returns the conditions without the resolution."""
    return profile.cell.only(*CONDITIONS)


def shared(profiles: Sequence[Profile]) -> str:
    """Returns what all profiles have in common and no figure names: `bf16 · batch 1 · H100`."""
    common = labels.shared([profile.cell for profile in profiles]).without("mode", "execution", "process")
    names = (str(each.environment.get("gpu_name") or each.environment.get("cpu") or "") for each in profiles)
    return common.label(device_name=labels.one_device(names))


def _rank(pair: Pair) -> tuple[bool, int, float]:
    is_other_model = pair.other.cell.model != pair.base.cell.model
    return is_other_model, pair.base.cell.resolution_px, -pair.other.unprofiled_ms


def _varying(profiles: Sequence[Profile]) -> list[str]:
    """Fields that all profiles of a page do not share, so that titles name them; the mode is always named."""
    return [name for name in CONDITIONS[1:] if len({getattr(profile.cell, name) for profile in profiles}) > 1]
