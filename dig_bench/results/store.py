"""Store: writes a folder of results, one row at a time.

A row is appended with one write and synced to disk at once, just after its samples. The folder of a killed sweep holds
whole rows and at worst half a row at the end, which the next run moves away.
"""

from __future__ import annotations

import gzip
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from dig_bench.cell import Cell, Row
from dig_bench.files import atomic
from dig_bench.files.clock import utc_now
from dig_bench.files.json_codec import dumps, parse
from dig_bench.files.lock import FolderInUseError, Lock, lock_folder
from dig_bench.results.folder import MANIFEST, ROWS, SAMPLES, StoreError, os_errors, reason
from dig_bench.results.manifest import new_manifest, write_manifest
from dig_bench.results.resume import HEADER, Found, resume
from dig_bench.results.table import format_line


class Store:
    """Folder of results that one process writes; made by `Store.open`. No other process can open it meanwhile."""

    def __init__(self, folder: Path, lock: Lock, found: Found) -> None:
        self.folder = folder
        self.rows = found.rows
        self.repaired = found.repaired
        """Half-written lines that were moved away, in one line; empty if there were none."""
        self._lock = lock
        self._manifest = found.manifest

    @staticmethod
    def open(
        folder: Path,
        *,
        spec: Mapping[str, Any],
        environment: Mapping[str, Any],
        resume: bool,
        cells: Collection[Cell] | None = None,
        extend: bool = False,
        retry: bool = False,
    ) -> Store:
        """Makes the folder, or resumes the same sweep of the same machine in it if `resume` allows that.

        With `extend` the folder may hold a part of this sweep: fewer `cells`, measured with the same protocol. With
        `retry` rows of cells that crashed, timed out or failed the correctness check move to rows.csv.cut, and their
        cells are no longer done.

        Raises StoreError, before anything is changed, if the folder is in use, cannot be written, or holds another
        sweep's results, another machine's, a row of a cell that is not in `cells`, or a broken file. Half a row or half
        a cell's samples, which a killed sweep may leave, move to rows.csv.cut and samples.jsonl.gz.cut.
        """
        with os_errors(folder):
            try:
                lock = lock_folder(folder)
            except FolderInUseError as error:
                raise StoreError(str(error)) from None
        try:
            with os_errors(folder):
                found = _open(folder, _as_json(spec), _as_json(environment), resume, cells, extend, retry)
                return Store(folder, lock, found)
        except BaseException:
            lock.release()
            raise

    @property
    def done(self) -> set[Cell]:
        """Cells that have a row, whatever its status."""
        return {row.cell for row in self.rows}

    def append(self, row: Row, samples: Mapping[str, Sequence[float]]) -> None:
        """Writes a row and its samples to disk. If that fails, raises StoreError and leaves the earlier rows intact."""
        assert row.cell not in self.done, f"{row.cell} has a row already"
        try:
            if samples:
                # Clocks resolve nanoseconds; further digits of the floats are noise.
                rounded = {name: [round(value, 6) for value in values] for name, values in samples.items()}
                line = dumps({"cell": row.cell, "samples": rounded}, indent=None)
                atomic.append(self.folder / SAMPLES, gzip.compress(line.encode(), mtime=0))
            rows = self.folder / ROWS
            header = "" if rows.exists() and rows.stat().st_size else HEADER
            atomic.append(rows, (header + format_line(row.as_dict().values())).encode())
        except OSError as error:
            raise StoreError(
                f"the row of {row.cell} ({row.status}) cannot be written: {reason(error, self.folder)}. "
                f"{len(self.rows)} rows are safe; run the same command again to resume"
            ) from error
        self.rows.append(row)

    def finish(self) -> None:
        """Writes the end of the sweep to the manifest, unless it has one, and closes the folder."""
        try:
            if self._manifest["finished_at"] is None:
                with os_errors(self.folder):
                    self._manifest["finished_at"] = utc_now()
                    write_manifest(self.folder, self._manifest)
        finally:
            self.close()

    def close(self) -> None:
        """Lets other processes open the folder. The sweep stays unfinished unless `finish` was called."""
        self._lock.release()


def _open(
    folder: Path,
    spec: dict[str, Any],
    environment: dict[str, Any],
    may_resume: bool,
    cells: Collection[Cell] | None,
    extend: bool,
    retry: bool,
) -> Found:
    if (folder / MANIFEST).exists():
        if not may_resume:
            raise StoreError(f"{folder} already holds results: resume them with --resume, or take another folder")
        return resume(folder, spec=spec, environment=environment, cells=cells, extend=extend, retry=retry)
    for name in (ROWS, SAMPLES):
        if (folder / name).exists():
            raise StoreError(f"{folder} holds {name} without {MANIFEST}: take another folder")
    manifest = new_manifest(spec, environment)
    write_manifest(folder, manifest)
    return Found(rows=[], manifest=manifest)


def _as_json(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the mapping as JSON reads it back: tuples become lists."""
    read_back: dict[str, Any] = parse(dumps(mapping))
    return read_back
