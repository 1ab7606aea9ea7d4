"""A folder of results: rows.csv, samples.jsonl.gz and manifest.json.

A row is appended by one write and synced to the disk at once, its samples just before it. Whatever kills a sweep leaves
whole rows, at worst with half of one behind them, which is moved out of the way when the sweep goes on.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dig_bench.cell import CELL_COLUMNS, ROW_COLUMNS, WRONG, Cell, Row
from dig_bench.files import atomic
from dig_bench.files.clock import utc_now
from dig_bench.files.lock import FolderInUseError, Lock, lock_folder
from dig_bench.machine.environment import MACHINE_KEYS
from dig_bench.results.table import TableError, format_line, parse_table, to_frame

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
ROWS, SAMPLES, MANIFEST = "rows.csv", "samples.jsonl.gz", "manifest.json"

CELL_KEYS = frozenset({"sweep", "models", "which_cells", *CELL_COLUMNS})
"""What of a sweep's spec says which cells it has; the rest is how they are measured."""

HEADER = format_line(ROW_COLUMNS)

MANIFEST_TYPES: dict[str, type | tuple[type, ...]] = {
    "format": int,
    "spec": dict,
    "environment": dict,
    "started_at": str,
    "finished_at": (str, type(None)),
}


class StoreError(ValueError):
    """What is wrong with a folder of results, in one line."""


class Store:
    """Made by `Store.open`. Hold it while a sweep runs: no other process can open the folder meanwhile."""

    def __init__(self, folder: Path, lock: Lock, rows: list[Row], manifest: dict[str, Any], repaired: str) -> None:
        self.folder = folder
        self.rows = rows
        self.repaired = repaired
        """What had to be cut off from the files, in one line; empty when nothing."""
        self._lock = lock
        self._manifest = manifest

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
        """Makes the folder, or goes on with the same sweep of the same machine in it, when `resume` allows that.

        With `extend` that sweep may be a part of this one: of fewer `cells`, measured by the same protocol. With
        `retry` the rows of what crashed, timed out or disagreed go to rows.csv.cut, so that their cells have none.

        StoreError, before anything is changed, when the folder is in use, holds another sweep's results or another
        machine's, a row of none of `cells`, or a broken file, or cannot be written. Half a row or half a cell's
        samples, as a killed sweep may leave them at the end of a file, go to rows.csv.cut and samples.jsonl.gz.cut.
        """
        with os_errors(folder):
            try:
                lock = lock_folder(folder)
            except FolderInUseError as error:
                raise StoreError(str(error)) from None
        try:
            with os_errors(folder):
                return Store._open_locked(
                    folder, lock, _as_json(spec), _as_json(environment), resume, cells, extend, retry
                )
        except BaseException:
            lock.release()
            raise

    @staticmethod
    def _open_locked(
        folder: Path,
        lock: Lock,
        spec: dict[str, Any],
        environment: dict[str, Any],
        resume: bool,
        cells: Collection[Cell] | None,
        extend: bool,
        retry: bool,
    ) -> Store:
        if not (folder / MANIFEST).exists():
            for name in (ROWS, SAMPLES):
                if (folder / name).exists():
                    raise StoreError(f"{folder} holds {name} without {MANIFEST}: take another folder")
            manifest: dict[str, Any] = {
                "format": FORMAT,
                "spec": spec,
                "environment": environment,
                "started_at": utc_now(),
                "finished_at": None,
            }
            _write_manifest(folder, manifest)
            return Store(folder, lock, [], manifest, "")
        if not resume:
            raise StoreError(f"{folder} holds results already: go on with them by --resume, or take another folder")
        manifest = read_manifest(folder)
        must_agree = {key for key in manifest["spec"].keys() | spec.keys() if not (extend and key in CELL_KEYS)}
        _refuse_difference(folder, "sweep", manifest["spec"], spec, sorted(must_agree))
        _refuse_difference(folder, "machine", manifest["environment"], environment, MACHINE_KEYS)
        content = _content(folder / ROWS)
        complete = content[: content.rfind(b"\n") + 1]
        rows = _parse(folder / ROWS, complete) if complete else []
        if cells is not None and (strays := [row.cell for row in rows if row.cell not in cells]):
            raise StoreError(f"{folder / ROWS} holds {strays[0]}, which is no cell of this sweep: take another folder")
        whole = {ROWS: len(complete), SAMPLES: _whole_samples(folder / SAMPLES)}
        cut = [name for name, length in whole.items() if atomic.cut(folder / name, length)]
        again = [row for row in rows if retry and row.status in WRONG]
        rows = [row for row in rows if row not in again]
        if again:
            atomic.append((folder / ROWS).with_name(f"{ROWS}.cut"), _table(again))
        # One that was begun by an earlier version lacks columns that have come since; there they are empty.
        if again or (rows and not complete.startswith(HEADER.encode())):
            atomic.write_whole(folder / ROWS, HEADER.encode() + _table(rows))
        # A sweep that has all of its rows was measured by none of the code that only looks at it.
        if cells is None or len(rows) < len(cells):
            git = {key: environment.get(key) for key in ("git_revision", "git_dirty", "git_trees")}
            manifest.setdefault("resumed", []).append({"at": utc_now(), **git, "rows": len(rows)})
            manifest |= {"spec": spec, "finished_at": None}
            _write_manifest(folder, manifest)
        repaired = "; ".join(f"cut half-written lines off {name}, they are in {name}.cut" for name in cut)
        return Store(folder, lock, rows, manifest, repaired)

    @property
    def done(self) -> set[Cell]:
        """Cells that have a row, whatever its status."""
        return {row.cell for row in self.rows}

    def append(self, row: Row, samples: Mapping[str, Sequence[float]]) -> None:
        """On disk when it returns. StoreError when it cannot be written; then the rows before it are as they were."""
        assert row.cell not in self.done, f"{row.cell} has a row already"
        try:
            if samples:
                # Nanoseconds: the digits behind them are those of a float, not of a clock.
                rounded = {name: [round(value, 6) for value in values] for name, values in samples.items()}
                line = json.dumps({"cell": row.cell.as_dict(), "samples": rounded}) + "\n"
                atomic.append(self.folder / SAMPLES, gzip.compress(line.encode(), mtime=0))
            rows = self.folder / ROWS
            header = "" if rows.exists() and rows.stat().st_size else HEADER
            atomic.append(rows, (header + format_line(row.as_dict().values())).encode())
        except OSError as error:
            raise StoreError(
                f"{row.cell} came out {row.status}, and that cannot be written: {_reason(error, self.folder)}. "
                f"{len(self.rows)} rows are safe; the same command goes on behind them"
            ) from error
        self.rows.append(row)

    def finish(self) -> None:
        """Notes the end of the sweep, unless it ended before, and lets others open the folder."""
        try:
            if self._manifest["finished_at"] is None:
                with os_errors(self.folder):
                    self._manifest["finished_at"] = utc_now()
                    _write_manifest(self.folder, self._manifest)
        finally:
            self.close()

    def close(self) -> None:
        """Lets others open the folder; the sweep counts as not finished."""
        self._lock.release()


def read_rows(folder_or_csv: str | Path) -> pd.DataFrame:
    """All of ROW_COLUMNS: text as str (empty where there is none), whole numbers as integers (nullable where a row can
    lack them), figures as floats. StoreError for a missing or broken file.
    """
    return to_frame(read_row_list(folder_or_csv))


def read_row_list(folder_or_csv: str | Path) -> list[Row]:
    """In the order in which they were written. StoreError for a missing or broken file."""
    path = Path(folder_or_csv)
    path = path / ROWS if path.is_dir() else path
    with os_errors(path):
        content = path.read_bytes()
    if not content:
        raise StoreError(f"{path} is empty: its sweep has not written a row yet")
    if not content.endswith(b"\n"):
        raise StoreError(f"{path} ends in half a row: going on with its sweep repairs it")
    return _parse(path, content)


def read_samples(folder: str | Path) -> dict[Cell, dict[str, list[float]]]:
    """Of each cell; the last ones of a cell whose sweep was killed before its row was written."""
    path = Path(folder) / SAMPLES
    with os_errors(path):
        content = path.read_bytes()
    try:
        records = [json.loads(line) for line in gzip.decompress(content[: _whole_samples(path)]).splitlines()]
        return {Cell(**record["cell"]): dict(record["samples"]) for record in records}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StoreError(f"{path} holds no samples: {type(error).__name__}: {error}") from None


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """StoreError for a missing or broken one."""
    path = Path(folder) / MANIFEST
    with os_errors(path):
        content = path.read_bytes()
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is no JSON: {error}") from None
    if not isinstance(manifest, dict) or not MANIFEST_TYPES.keys() <= manifest.keys():
        raise StoreError(f"{path} is no manifest of a sweep")
    if manifest["format"] != FORMAT:
        raise StoreError(f"{path} has format {_short(manifest['format'])}, this version reads {FORMAT}")
    resumed = manifest.get("resumed", [])
    for name, kinds in MANIFEST_TYPES.items():
        if not isinstance(manifest[name], kinds):
            raise StoreError(f"{path}: {name} cannot be {_short(manifest[name])}")
    if not isinstance(resumed, list) or not all(isinstance(each, dict) for each in resumed):
        raise StoreError(f"{path}: resumed cannot be {_short(resumed)}")
    return manifest


def _parse(path: Path, content: bytes) -> list[Row]:
    try:
        return parse_table(content)
    except TableError as error:
        raise StoreError(f"{path}: {error}") from None


def _table(rows: Iterable[Row]) -> bytes:
    """Without a header."""
    return "".join(format_line(row.as_dict().values()) for row in rows).encode()


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _whole_samples(path: Path) -> int:
    """Length in bytes, without what a killed sweep has half written."""
    try:
        return atomic.whole_members(_content(path))
    except atomic.DamagedError as error:
        raise StoreError(f"{path} is damaged {error}; move it away to go on without its samples") from None


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    atomic.write_whole(folder / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


def _refuse_difference(
    folder: Path, kind: str, there: Mapping[str, Any], here: Mapping[str, Any], keys: Sequence[str]
) -> None:
    for key in keys:
        if there.get(key) != here.get(key):
            raise StoreError(
                f"{folder} holds another {kind}'s results: {key} is {_short(there.get(key))} there, "
                f"{_short(here.get(key))} here; take another folder"
            )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + "..."


def _as_json(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """As it will be read back: tuples become lists."""
    read_back: dict[str, Any] = json.loads(json.dumps(mapping))
    return read_back


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """What the operating system refuses becomes a StoreError; it names `path` where the system names none."""
    try:
        yield
    except OSError as error:
        raise StoreError(_reason(error, path)) from error


def _reason(error: OSError, path: Path) -> str:
    return f"{error.filename or path}: {error.strerror or error}"
