"""Resumes a sweep in the folder that holds a part of it: checks, repairs, and reads what is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dig_bench.cell import CELL_COLUMNS, ROW_COLUMNS, WRONG, Cell, Row
from dig_bench.files import atomic
from dig_bench.files.clock import utc_now
from dig_bench.machine.environment import MACHINE_KEYS
from dig_bench.results.folder import ROWS, SAMPLES, StoreError
from dig_bench.results.manifest import read_manifest, refuse_difference, write_manifest
from dig_bench.results.read import parse_rows, whole_samples
from dig_bench.results.table import format_line

CELL_KEYS = frozenset({"sweep", "models", "which_cells", *CELL_COLUMNS})
"""Keys of a sweep's spec that say which cells it has; the others say how they are measured."""

HEADER = format_line(ROW_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class Found:
    """Content of a folder that can be resumed."""

    rows: list[Row]
    manifest: dict[str, Any]
    repaired: str = ""
    """Half-written lines that were moved away, in one line; empty if there were none."""


def resume(
    folder: Path,
    *,
    spec: Mapping[str, Any],
    environment: Mapping[str, Any],
    cells: Collection[Cell] | None,
    extend: bool,
    retry: bool,
) -> Found:
    """Reads, checks and repairs a folder that has a manifest; see `Store.open` for the arguments and errors."""
    manifest = read_manifest(folder)
    must_agree = {key for key in manifest["spec"].keys() | spec.keys() if not (extend and key in CELL_KEYS)}
    refuse_difference(folder, "sweep", manifest["spec"], spec, sorted(must_agree))
    refuse_difference(folder, "machine", manifest["environment"], environment, MACHINE_KEYS)
    path = folder / ROWS
    content = path.read_bytes() if path.exists() else b""
    complete = content[: content.rfind(b"\n") + 1]
    rows = parse_rows(path, complete) if complete else []
    if cells is not None and (strays := [row.cell for row in rows if row.cell not in cells]):
        raise StoreError(f"{path} holds {strays[0]}, which is not a cell of this sweep: take another folder")
    # Nothing is changed above.
    whole = {ROWS: len(complete), SAMPLES: whole_samples(folder / SAMPLES)}
    cut = [name for name, length in whole.items() if atomic.cut(folder / name, length)]
    again = [row for row in rows if retry and row.status in WRONG]
    rows = [row for row in rows if row not in again]
    if again:
        atomic.append(path.with_name(f"{ROWS}.cut"), _table(again))
    # A table of an earlier version lacks later columns: they are added, empty.
    if again or (rows and not complete.startswith(HEADER.encode())):
        atomic.write_whole(path, HEADER.encode() + _table(rows))
    # A complete sweep is only looked at: the manifest keeps naming the code that measured it.
    if cells is None or len(rows) < len(cells):
        git = {key: environment.get(key) for key in ("git_revision", "git_dirty", "git_trees")}
        manifest.setdefault("resumed", []).append({"at": utc_now(), **git, "rows": len(rows)})
        manifest |= {"spec": dict(spec), "finished_at": None}
        write_manifest(folder, manifest)
    repaired = "; ".join(f"moved half-written lines of {name} to {name}.cut" for name in cut)
    return Found(rows=rows, manifest=manifest, repaired=repaired)


def _table(rows: Iterable[Row]) -> bytes:
    """Formats rows without a header."""
    return "".join(format_line(row.as_dict().values()) for row in rows).encode()
