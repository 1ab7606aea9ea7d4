"""Results folders, grouped by the machine and protocol that they were measured with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from dig_bench.cell import Key, Row
from dig_bench.compare.conditions import differences
from dig_bench.compare.evidence import Evidence, read_evidence
from dig_bench.results.folder import ROWS
from dig_bench.results.same_code import Origin, code_of, newest_alike


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Everything that one machine measured under one protocol, in any number of folders."""

    sides: tuple[Evidence, ...]
    """One for each folder."""

    @cached_property
    def evidence(self) -> Evidence:
        """All folders together: of each cell the newest measured row, and those of the same code as further processes.

        Rows of several folders count as processes of one cell if the same code measured them with the same kernels.
        """
        kept = [row for found in self._cells.values() for row, is_kept in found if is_kept]
        return Evidence.of(kept, source=", ".join(side.source for side in self.sides), manifest=self.sides[0].manifest)

    @cached_property
    def left_out(self) -> tuple[Row, ...]:
        """Measured rows that are no processes of their cell: other code or kernels than the newest row's, or unknown
        code."""
        return tuple(row for found in self._cells.values() for row, is_kept in found if not is_kept and row.measured)

    @cached_property
    def _cells(self) -> dict[Key, list[tuple[Row, bool]]]:
        """Rows of each cell, and whether each counts. A failed row does without a measured one, or with its code."""
        cells: dict[Key, list[tuple[Row, Origin]]] = {}
        for side in self.sides:
            for key, rows in side.rows.items():
                cells.setdefault(key, []).extend((row, _origin(row, side)) for row in rows)
        return {key: _chosen(found) for key, found in cells.items()}

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


def _origin(row: Row, side: Evidence) -> Origin:
    return Origin(
        code=code_of(side.manifest, row.started_at, folder=side.source),
        kernels=row.kernels,
        state=row.state,
        started_at=row.started_at,
    )


def _chosen(found: list[tuple[Row, Origin]]) -> list[tuple[Row, bool]]:
    measured = [place for place, (row, _) in enumerate(found) if row.measured]
    if not measured:
        return [(row, True) for row, _ in found]
    is_alike = dict(zip(measured, newest_alike([found[place][1] for place in measured]), strict=True))
    codes = {found[place][1].code for place, alike in is_alike.items() if alike} - {""}
    return [(row, is_alike.get(place, origin.code in codes)) for place, (row, origin) in enumerate(found)]
