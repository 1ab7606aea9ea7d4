"""Evidence: one side's results, by cell, one row per process."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from dig_bench.cell import Key, Row, Status
from dig_bench.results.folder import MANIFEST
from dig_bench.results.manifest import read_manifest
from dig_bench.results.metrics import METRICS
from dig_bench.results.read import read_row_list


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One side of a comparison."""

    source: str
    """Name that the user gave it: a path or a git revision."""
    rows: Mapping[Key, tuple[Row, ...]]
    """Rows of each cell, by process number. A key, which leaves `process` blank, has at least one row."""
    manifest: Mapping[str, Any] | None = None
    """None for a CSV file without a manifest.json beside it."""
    process_numbers: frozenset[int] = field(init=False)
    """Processes that any cell has, or that the sweep asked for."""

    def __post_init__(self) -> None:
        asked = self.manifest["spec"].get("process") if self.manifest else None
        found = {row.process for rows in self.rows.values() for row in rows}
        if isinstance(asked, list):
            found |= {number for number in asked if isinstance(number, int)}
        object.__setattr__(self, "process_numbers", frozenset(found))

    @staticmethod
    def of(rows: Iterable[Row], *, source: str = "", manifest: Mapping[str, Any] | None = None) -> Evidence:
        """Groups rows by cell."""
        by_key: dict[Key, list[Row]] = {}
        for row in sorted(rows, key=lambda row: row.process):
            by_key.setdefault(row.cell.without("process"), []).append(row)
        return Evidence(source=source, rows={key: tuple(rows) for key, rows in by_key.items()}, manifest=manifest)

    @cached_property
    def measured(self) -> tuple[Row, ...]:
        """Rows of all cells that have a latency."""
        return tuple(row for rows in self.rows.values() for row in rows if is_measured(row))

    def values(self, key: Key, metric: str) -> list[float]:
        """Returns one value per process, in their order. `metric` is a name from METRICS.

        Leaves out values that are missing, not positive or not finite, and those of throttled processes if the metric
        depends on the clocks.
        """
        wanted = METRICS[metric]
        return [
            value
            for row in self.rows.get(key, ())
            if is_measured(row) and not (row.status == "throttled" and wanted.needs_health)
            for value in [getattr(row, wanted.column)]
            if value is not None and 0 < value < math.inf
        ]

    def status(self, key: Key) -> Status | Literal["missing"]:
        """Returns the first failed process's status, else the most frequent one; `missing` without a row."""
        rows = self.rows.get(key, ())
        if not rows:
            return "missing"
        failed = [row.status for row in rows if not is_measured(row)]
        return failed[0] if failed else Counter(row.status for row in rows).most_common(1)[0][0]


def is_measured(row: Row) -> bool:
    """Returns true if the row has the latency that its status promises, positive and finite."""
    return row.measured and row.latency_ms_median is not None and 0 < row.latency_ms_median < math.inf


def read_evidence(folder_or_csv: str | Path) -> Evidence:
    """Reads a folder of results or its rows.csv, and the manifest beside the rows if there is one.

    Raises StoreError for a missing or broken file.
    """
    path = Path(folder_or_csv)
    folder = path if path.is_dir() else path.parent
    manifest = read_manifest(folder) if (folder / MANIFEST).exists() else None
    return Evidence.of(read_row_list(path), source=str(folder_or_csv), manifest=manifest)
