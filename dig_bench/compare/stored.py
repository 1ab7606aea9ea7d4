"""A stored comparison: the folders of results that comparing two versions leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dig_bench.compare.comparison import Comparison, compare
from dig_bench.compare.evidence import read_evidence
from dig_bench.compare.settings import Settings
from dig_bench.results.folder import ROWS

SIDES = ("base", "candidate")
"""Folders of the sides."""

CONFIRMATION = "confirmation"
"""Folder, beside the sides, of the processes that confirm a suspicion."""


def read_comparison(folder: Path, settings: Settings, *, titles: Sequence[str] = SIDES) -> Comparison:
    """Reads and compares the folders. `titles` are the sides' names. Raises StoreError for a missing or broken one."""

    def read(below: Path) -> Comparison:
        base, candidate = (
            replace(read_evidence(below / name), source=title) for name, title in zip(SIDES, titles, strict=True)
        )
        return compare(base, candidate, settings)

    first = read(folder)
    return first.confirmed_by(read(folder / CONFIRMATION)) if first.suspects else first


def written(folder: Path) -> list[Path]:
    """Returns the folders of results that a comparison filled."""
    places = (folder / below / name for below in ("", CONFIRMATION) for name in SIDES)
    return [place for place in places if (place / ROWS).exists()]
