"""Allocations during one step, in one form for GPU and CPU: address, size, origin, begin and end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dig_bench.profile.ranges import PART, SCOPE

RELEASE = "release"
"""Part after a step in which the libraries free their workspaces: allocations that end there are workspaces."""

BLOCK_BYTES = 512
"""Granularity of PyTorch's CUDA allocator."""


@dataclass(frozen=True, kw_only=True)
class Event:
    time_us: float
    address: int
    bytes: int
    """Bytes allocated; negative when freed."""
    line: str = ""
    """Innermost line of the models or of a plugin, `dig_models/dig.py:88`."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Range that holds the events from `begin` to before `end`; named SCOPE + scope or PART + part."""

    name: str
    begin: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Allocation:
    address: int
    bytes: int
    begin: int
    """Number of the event that allocated it; -1 when it precedes the step."""
    end: int
    """Number of the event that freed it; beyond the last event when it outlives the step."""
    scope: str | None = None
    """Innermost module or operation that allocated it; None outside of all."""
    scope_end: int = 0
    part: str = ""
    line: str = ""


@dataclass(frozen=True, kw_only=True)
class Trace:
    times_us: Sequence[float]
    """Times of the step's events since the first one."""
    allocations: Sequence[Allocation]
    parts: Mapping[str, tuple[int, int]]


def trace(events: Sequence[Event], ranges: Iterable[Range], before: Mapping[int, int]) -> Trace:
    """Matches allocations with their ends and ranges.

    `before` maps the addresses of known allocations before the step to bytes. What an event frees without an allocation
    was there before the step, too. Ranges are nested.
    """
    scopes: list[Range | None] = [None] * len(events)
    part_of = [""] * len(events)
    parts = {}
    # Outer ranges first: inner ones overwrite them.
    for each in sorted(ranges, key=lambda each: (each.begin, -each.end)):
        inside = range(each.begin, min(each.end, len(events)))
        if each.name.startswith(SCOPE):
            for index in inside:
                scopes[index] = each
        else:
            part = each.name.removeprefix(PART)
            parts[part] = (each.begin, each.end)
            for index in inside:
                part_of[index] = part
    found = []
    open_since = dict.fromkeys(before, -1)
    for index, event in enumerate(events):
        if event.bytes > 0:
            open_since[event.address] = index
        else:
            begin = open_since.pop(event.address, -1)
            size = before.get(event.address, -event.bytes) if begin < 0 else events[begin].bytes
            found.append((event.address, size, begin, index))
    for address, begin in open_since.items():
        found.append((address, before[address] if begin < 0 else events[begin].bytes, begin, len(events)))
    allocations = []
    for address, size, begin, end in sorted(found, key=lambda each: each[2]):
        scope = scopes[begin] if begin >= 0 else None
        allocations.append(
            Allocation(
                address=address,
                bytes=size,
                begin=begin,
                end=end,
                scope=scope.name.removeprefix(SCOPE) if scope else None,
                scope_end=scope.end if scope else 0,
                part=part_of[begin] if begin >= 0 else "",
                line=events[begin].line if begin >= 0 else "",
            )
        )
    last = parts[RELEASE][0] if RELEASE in parts else len(events)
    times = [event.time_us - events[0].time_us for event in events[:last]]
    return Trace(times_us=times, allocations=allocations, parts=parts)


def of_snapshot(snapshot: Mapping[str, Any], ranges: Iterable[Range], *, device: int = 0, plugin: str = "") -> Trace:
    """Reads `torch.cuda.memory._snapshot()`, taken after the step, with the events of that step only.

    Sizes are the requested ones, in whole blocks. The allocator's own statistics also count the rest of blocks that it
    does not split, up to a megabyte each. `plugin` is the name of the plugin's file, for a model outside dig_models.
    """
    events = [
        Event(
            time_us=float(entry["time_us"]),
            address=entry["addr"],
            bytes=_block(entry["size"]) * (1 if entry["action"] == "alloc" else -1),
            line=line_of(((frame["filename"], frame["line"]) for frame in entry.get("frames", ())), plugin),
        )
        for entry in snapshot["device_traces"][device]
        if entry["action"] in ("alloc", "free_requested")
    ]
    made = {event.address for event in events if event.bytes > 0}
    before = {
        block["address"]: _block(block.get("requested_size", block["size"]))
        for segment in snapshot["segments"]
        if segment.get("device", device) == device
        for block in segment["blocks"]
        if block["state"] == "active_allocated" and block["address"] not in made
    }
    return trace(events, ranges, before)


def line_of(frames: Iterable[tuple[str, int]], plugin: str = "") -> str:
    """Returns the first frame, innermost first, in dig_models or in the plugin's file; empty without one."""
    for filename, line in frames:
        _, package, path = filename.replace("\\", "/").rpartition("dig_models/")
        if package:
            return f"{package}{path}:{line}"
        if plugin and filename.replace("\\", "/").rpartition("/")[2] == plugin:
            return f"{plugin}:{line}"
    return ""


def _block(size: int) -> int:
    return max(1, -(-size // BLOCK_BYTES)) * BLOCK_BYTES
