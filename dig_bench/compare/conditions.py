"""Conditions that both sides must share for their values to be comparable, and the differences between them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dig_bench.compare.evidence import Evidence
from dig_bench.machine.environment import MACHINE_KEYS

KEYS = (*MACHINE_KEYS, "sm_clock_max_mhz")

CLOCK_POLICIES = frozenset({"application_clocks", "display_clocks", "sync_boost"})
"""Throttle reasons that a user or administrator sets."""

_CLOCKS_AGREE_WITHIN = 0.03


@dataclass(frozen=True, kw_only=True)
class Difference:
    what: str
    base: str
    candidate: str

    def __str__(self) -> str:
        return f"{self.what}: {self.base} in the base, {self.candidate} in the candidate"


def differences(base: Evidence, candidate: Evidence) -> tuple[Difference, ...]:
    """Returns differences in machine, versions, precision and clock settings, and protocol.

    A condition that neither side recorded is no difference.
    """
    return tuple(_differences(base, candidate))


def warnings(base: Evidence, candidate: Evidence) -> tuple[str, ...]:
    """Returns what weakens the comparison, one sentence each."""
    return tuple(_warnings(base, candidate))


def _differences(base: Evidence, candidate: Evidence) -> Iterator[Difference]:
    if base.manifest is not None and candidate.manifest is not None:
        yield from _unequal(base.manifest["environment"], candidate.manifest["environment"], KEYS)
        specs = base.manifest["spec"], candidate.manifest["spec"]
        protocol = sorted(key for key in {*specs[0], *specs[1]} if key.startswith("protocol."))
        yield from _unequal(*specs, protocol)
    for what, values in (("device of the rows", _devices), ("clock policy", _clock_policies)):
        found = values(base), values(candidate)
        # A side without any measured row has neither.
        if all(each is not None for each in found) and found[0] != found[1]:
            yield Difference(what=what, base=found[0] or "none", candidate=found[1] or "none")


def _unequal(base: Mapping[str, Any], candidate: Mapping[str, Any], keys: Any) -> Iterator[Difference]:
    for key in keys:
        if base.get(key) != candidate.get(key):
            yield Difference(what=key, base=_words(base.get(key)), candidate=_words(candidate.get(key)))


def _words(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _devices(side: Evidence) -> str | None:
    return ", ".join(sorted({row.device_name for row in side.measured})) or None


def _clock_policies(side: Evidence) -> str | None:
    reasons = {reason for row in side.measured for reason in row.throttle_reasons.split()}
    return " ".join(sorted(reasons & CLOCK_POLICIES)) if side.measured else None


def _warnings(base: Evidence, candidate: Evidence) -> Iterator[str]:
    for name, side in (("base", base), ("candidate", candidate)):
        if side.manifest is None:
            yield f"The {name} has no manifest.json: its machine, versions and protocol are unknown and not compared."
            continue
        if not side.manifest["finished_at"]:
            yield f"The {name}'s sweep has not finished."
        if side.manifest["environment"].get("git_dirty"):
            yield f"The {name} was measured with uncommitted changes: its revision does not identify the code."
    times = [[row.started_at for row in side.measured if row.started_at] for side in (base, candidate)]
    if all(times) and (max(times[0]) < min(times[1]) or max(times[1]) < min(times[0])):
        yield (
            "The two sides were measured one after the other, not in turn: "
            "a change of the machine in between looks like a change of the code."
        )
    clocks = [[row.sm_clock_mhz for row in side.measured if row.sm_clock_mhz] for side in (base, candidate)]
    if all(clocks):
        before, after = map(statistics.median, clocks)
        if abs(after / before - 1) > _CLOCKS_AGREE_WITHIN:
            yield (
                f"The GPU ran at {before:.0f} MHz (median) for the base and at {after:.0f} MHz for the candidate: "
                "times and energy differ for that reason alone."
            )
