"""Labels of groups of keys and of comparisons: shared fields, differing fields, evidence."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dig_bench.cell import CELL_COLUMNS, Key

NAMED = ("model", "backend", "resolution_px")
"""Fields that a figure's entries name even where all are alike."""


def shared(keys: Collection[Key], *, besides: Collection[str] = NAMED) -> Key:
    """Returns the key of the fields in which all keys agree. The others, and those in `besides`, are blank."""
    differing = {name for name in CELL_COLUMNS if len({getattr(key, name) for key in keys}) != 1}
    return next(iter(keys), Key()).without(*differing, *besides)


def beside(key: Key, common: Key) -> str:
    """Returns the label of a key where the fields of `common` are named already: those are left out."""
    return key.without(*(name for name in CELL_COLUMNS if getattr(common, name))).label()


def one_device(names: Iterable[str]) -> str:
    """Returns the device name that all rows share, for `Key.label(device_name=...)`; empty when they differ."""
    found = set(names)
    return found.pop() if len(found) == 1 else ""


def number_of_processes(count: int) -> str:
    """`one process`, `3 processes`."""
    return "one process" if count == 1 else f"{count} processes"


def processes(ours: int, theirs: int) -> str:
    """Returns the evidence of a comparison: `one process`, `3 processes`, `3 processes against one process`."""
    if ours == theirs:
        return number_of_processes(ours)
    return f"{number_of_processes(ours)} against {number_of_processes(theirs)}"


def power_limit(ours: str, theirs: str, *, is_ours_capped: bool, is_theirs_capped: bool) -> str:
    """Returns `DiT-S/2@fused at the power limit, DiG-S/2@fused not`; empty where neither or both ran at it."""
    if is_ours_capped == is_theirs_capped:
        return ""
    capped, free = (ours, theirs) if is_ours_capped else (theirs, ours)
    return f"{capped} at the power limit, {free} not"
