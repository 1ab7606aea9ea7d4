"""Results folders, grouped by the machine and protocol that they were measured with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from dig_bench.compare.conditions import differences
from dig_bench.compare.evidence import Evidence, read_evidence
from dig_bench.results.folder import ROWS


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Everything that one machine measured under one protocol, in any number of folders."""

    sides: tuple[Evidence, ...]
    """One for each folder."""

    @cached_property
    def evidence(self) -> Evidence:
        """All folders together. Rows of one cell in several folders count as its processes."""
        rows = [row for side in self.sides for rows in side.rows.values() for row in rows]
        return Evidence.of(rows, source=", ".join(side.source for side in self.sides), manifest=self.sides[0].manifest)

    @property
    def device_name(self) -> str:
        """Name of the device in the measured rows, else in the manifest; empty when neither has one."""
        names = sorted({row.device_name for row in self.evidence.measured if row.device_name})
        environment = self.sides[0].manifest["environment"] if self.sides[0].manifest else {}
        return ", ".join(names) or str(environment.get("gpu_name") or environment.get("cpu") or "")


def read_machines(paths: Iterable[Path]) -> list[Machine]:
    """Reads results folders, tables of rows, and folders of results folders.

    Folders whose conditions are equal form one machine; a table without a manifest is a machine of its own. Raises
    StoreError for a missing or broken file and ValueError for rows that are given twice.
    """
    groups: list[list[Evidence]] = []
    seen: dict[bytes, Path] = {}
    for path in chain.from_iterable(map(_sweeps, paths)):
        side = read_evidence(path)
        rows = (path / ROWS if path.is_dir() else path).read_bytes()
        if rows in seen:
            raise ValueError(f"{path} is given twice: its rows are those of {seen[rows]}")
        seen[rows] = path
        alike = next((group for group in groups if _alike(group[0], side)), None)
        if alike is None:
            groups.append([side])
        else:
            alike.append(side)
    return [Machine(sides=tuple(group)) for group in groups]


def _sweeps(path: Path) -> list[Path]:
    below = [] if (path / ROWS).exists() else sorted(table.parent for table in path.glob(f"*/{ROWS}"))
    return below or [path]


def _alike(one: Evidence, other: Evidence) -> bool:
    return one.manifest is not None and other.manifest is not None and not differences(one, other)
