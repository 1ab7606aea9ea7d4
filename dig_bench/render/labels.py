"""Labels of groups of keys: what all of them share, and what is left to tell one from another."""

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
