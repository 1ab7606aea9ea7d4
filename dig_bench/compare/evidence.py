"""Results as processes: per cell, the rows of its processes, and per metric a figure of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from dig_bench.cell import Key, Row, Status
from dig_bench.results import store
from dig_bench.results.metrics import METRICS


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One side of a comparison."""

    source: str
    """What the user called it: a path, or a git revision."""
    rows: Mapping[Key, tuple[Row, ...]]
    """By process. A key has one row at least."""
    manifest: Mapping[str, Any] | None = None
    """None where there is none: a CSV on its own."""
    numbers: frozenset[int] = field(init=False)
    """Evidence that any cell has, or was asked for."""

    def __post_init__(self) -> None:
        asked = self.manifest["spec"].get("process") if self.manifest else None
        found = {row.process for rows in self.rows.values() for row in rows}
        if isinstance(asked, list):
            found |= {number for number in asked if isinstance(number, int)}
        object.__setattr__(self, "numbers", frozenset(found))

    @staticmethod
    def of(rows: Iterable[Row], *, source: str = "", manifest: Mapping[str, Any] | None = None) -> Evidence:
        by_key: dict[Key, list[Row]] = {}
        for row in sorted(rows, key=lambda row: row.process):
            by_key.setdefault(row.cell.without("process"), []).append(row)
        return Evidence(source=source, rows={key: tuple(rows) for key, rows in by_key.items()}, manifest=manifest)

    @cached_property
    def measured(self) -> tuple[Row, ...]:
        """Of all cells."""
        return tuple(row for rows in self.rows.values() for row in rows if is_measured(row))

    def figures(self, key: Key, metric: str) -> list[float]:
        """One a process, in order; those that are missing, not positive or not finite are left out, and so are those of
        throttled processes where they depend on the clocks. `metric` is a name out of METRICS."""
        wanted = METRICS[metric]
        return [
            figure
            for row in self.rows.get(key, ())
            if is_measured(row) and not (row.status == "throttled" and wanted.needs_health)
            for figure in [getattr(row, wanted.column)]
            if figure is not None and 0 < figure < math.inf
        ]

    def status(self, key: Key) -> Status | Literal["missing"]:
        """Of all processes: the first failure's, else the most frequent one; `missing` without a row."""
        rows = self.rows.get(key, ())
        if not rows:
            return "missing"
        failed = [row.status for row in rows if not is_measured(row)]
        return failed[0] if failed else Counter(row.status for row in rows).most_common(1)[0][0]


def is_measured(row: Row) -> bool:
    """Whether it has the latency that its status promises: a number, and above zero."""
    return row.measured and row.latency_ms_median is not None and 0 < row.latency_ms_median < math.inf


def read_evidence(folder_or_csv: str | Path) -> Evidence:
    """StoreError for a missing or broken file. The manifest is the one beside the rows."""
    path = Path(folder_or_csv)
    folder = path if path.is_dir() else path.parent
    manifest = store.read_manifest(folder) if (folder / store.MANIFEST).exists() else None
    return Evidence.of(store.read_row_list(path), source=str(folder_or_csv), manifest=manifest)
