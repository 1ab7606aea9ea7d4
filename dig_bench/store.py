"""A folder of results: rows.csv, samples.jsonl.gz and manifest.json.

A row is appended by one write and synced to the disk at once, its samples just before it. Whatever kills a sweep leaves
complete rows, at worst with half of one behind them, which is cut off when the sweep goes on.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dig_bench.cell import ROW_COLUMNS, Cell, Row
from dig_bench.clock import utc_now
from dig_bench.environment import MACHINE_KEYS
from dig_bench.lock import Lock, LockedError
from dig_bench.table import TableError, format_line, parse_table, to_frame

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
ROWS, SAMPLES, MANIFEST, LOCK = "rows.csv", "samples.jsonl.gz", "manifest.json", ".lock"

HEADER = format_line(ROW_COLUMNS)


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
    def open(folder: Path, *, spec: Mapping[str, Any], environment: Mapping[str, Any], resume: bool) -> Store:
        """Makes the folder, or goes on with the same sweep of the same machine in it, when `resume` allows that.

        StoreError, before anything is changed, when the folder is in use, holds another sweep's results or another
        machine's, holds a broken file, or cannot be written.
        """
        with _os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock = Lock(folder / LOCK, holder=f"process {os.getpid()}")
            except LockedError as error:
                raise StoreError(f"{folder} is being written by {error.holder}") from None
        try:
            with _os_errors(folder):
                return Store._open_locked(folder, lock, _as_json(spec), _as_json(environment), resume)
        except BaseException:
            lock.release()
            raise

    @staticmethod
    def _open_locked(
        folder: Path, lock: Lock, spec: dict[str, Any], environment: dict[str, Any], resume: bool
    ) -> Store:
        if not (folder / MANIFEST).exists():
            if (folder / ROWS).exists():
                raise StoreError(f"{folder} holds {ROWS} without {MANIFEST}: take another folder")
            manifest: dict[str, Any] = {
                "format": FORMAT,
                "spec": spec,
                "environment": environment,
                "started_at": utc_now(),
                "finished_at": None,
            }
            _write_whole(folder / MANIFEST, manifest)
            return Store(folder, lock, [], manifest, "")
        if not resume:
            raise StoreError(f"{folder} holds results already: go on with them by --resume, or take another folder")
        manifest = read_manifest(folder)
        _refuse_difference(folder, "sweep", manifest["spec"], spec, sorted(manifest["spec"].keys() | spec.keys()))
        _refuse_difference(folder, "machine", manifest["environment"], environment, MACHINE_KEYS)
        content = (folder / ROWS).read_bytes() if (folder / ROWS).exists() else b""
        complete = content[: content.rfind(b"\n") + 1]
        rows = _parse(folder / ROWS, complete) if complete else []
        repaired = " and ".join(
            part
            for part in (
                _truncate(folder / ROWS, len(complete), "row"),
                _truncate(folder / SAMPLES, _complete_members(folder / SAMPLES), "samples"),
            )
            if part
        )
        git = {key: environment.get(key) for key in ("git_revision", "git_dirty")}
        manifest.setdefault("resumed", []).append({"at": utc_now(), **git})
        manifest["finished_at"] = None
        _write_whole(folder / MANIFEST, manifest)
        return Store(folder, lock, rows, manifest, repaired)

    @property
    def done(self) -> set[Cell]:
        """Cells that have a row, whatever its status."""
        return {row.cell for row in self.rows}

    def append(self, row: Row, samples: Mapping[str, Sequence[float]]) -> None:
        """On disk when it returns. StoreError when it cannot be written."""
        assert row.cell not in self.done, f"{row.cell} has a row already"
        with _os_errors(self.folder):
            if samples:
                # Nanoseconds: the digits behind them are those of a float, not of a clock.
                rounded = {name: [round(value, 6) for value in values] for name, values in samples.items()}
                line = json.dumps({"cell": row.cell.as_dict(), "samples": rounded}) + "\n"
                _append(self.folder / SAMPLES, gzip.compress(line.encode(), mtime=0))
            header = "" if self.rows else HEADER
            _append(self.folder / ROWS, (header + format_line(row.as_dict().values())).encode())
        self.rows.append(row)

    def finish(self) -> None:
        """Notes the end of the sweep, and lets others open the folder."""
        with _os_errors(self.folder):
            self._manifest["finished_at"] = utc_now()
            _write_whole(self.folder / MANIFEST, self._manifest)
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
    with _os_errors(path):
        content = path.read_bytes()
    if not content.endswith(b"\n"):
        raise StoreError(f"{path} ends in half a row: going on with its sweep repairs it")
    return _parse(path, content)


def read_samples(folder: str | Path) -> dict[Cell, dict[str, list[float]]]:
    """Of each cell; the last ones of a cell whose sweep was killed before its row was written."""
    path = Path(folder) / SAMPLES
    with _os_errors(path), gzip.open(path, "rt") as lines:
        records = [json.loads(line) for line in lines]
    return {Cell(**record["cell"]): record["samples"] for record in records}


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """StoreError for a missing or broken one."""
    path = Path(folder) / MANIFEST
    with _os_errors(path):
        content = path.read_bytes()
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise StoreError(f"{path} is no JSON: {error}") from None
    keys = {"format", "spec", "environment", "started_at", "finished_at"}
    if not isinstance(manifest, dict) or not keys <= manifest.keys():
        raise StoreError(f"{path} is no manifest of a sweep")
    if manifest["format"] != FORMAT:
        raise StoreError(f"{path} has format {manifest['format']}, this version reads {FORMAT}")
    return manifest


def _parse(path: Path, content: bytes) -> list[Row]:
    try:
        return parse_table(content)
    except TableError as error:
        raise StoreError(f"{path}: {error}") from None


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


def _append(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        before = os.fstat(fd).st_size
        if os.write(fd, content) < len(content):
            # A disk that is full takes a part; half a row must not stay in front of the next one.
            os.ftruncate(fd, before)
            raise OSError("the disk is full")
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Readers see the old file or the new one, never a part."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _truncate(path: Path, length: int, what: str) -> str:
    """Cuts the file to its complete part; says so when there was more."""
    if not path.exists() or path.stat().st_size == length:
        return ""
    os.truncate(path, length)
    return f"cut half-written {what} off {path.name}"


def _complete_members(path: Path) -> int:
    """Length in bytes of the gzip members that are whole."""
    content = path.read_bytes() if path.exists() else b""
    length = 0
    while length < len(content):
        member = zlib.decompressobj(wbits=31)
        try:
            member.decompress(content[length:])
        except zlib.error:
            break
        if not member.eof:
            break
        length = len(content) - len(member.unused_data)
    return length


@contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    """What the operating system refuses, in one line."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror or error}") from error
