"""The folder: one subfolder an entry, with rows.csv and manifest.json as the sweep wrote them, and entry.json.

An entry is made under another name and renamed when it is whole, so that a reader never sees half of one. Nothing is
ever changed or removed; what does not match its digests is left out and said.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dig_bench.compare.evidence import Evidence
from dig_bench.files import atomic
from dig_bench.files.clock import utc_now
from dig_bench.results.folder import MANIFEST, ROWS, StoreError, os_errors
from dig_bench.results.manifest import read_manifest
from dig_bench.results.read import read_row_list

ENTRY = "entry.json"
FORMAT = 1
FILES = (ROWS, MANIFEST)

_UNFINISHED = ".adding-"


@dataclass(frozen=True, kw_only=True)
class Entry:
    name: str
    """Of its folder."""
    processes: Evidence
    revision: str
    """As git calls it, or as the user said; empty when unknown."""
    is_dirty: bool
    measured_at: str
    """When the sweep started, ISO 8601."""

    @property
    def label(self) -> str:
        """`d619b8c40a`, with a + when there were uncommitted changes; the day when the revision is unknown."""
        short = self.revision[:10] if re.fullmatch(r"[0-9a-f]{12,64}", self.revision) else self.revision
        return f"{short or self.measured_at[:10]}{'+' if self.is_dirty else ''}"


@dataclass(frozen=True, kw_only=True)
class History:
    entries: tuple[Entry, ...]
    problems: tuple[str, ...]
    """What was left out, and why, a sentence each."""


def add(results: Path, history: Path, *, revision: str | None = None) -> tuple[Path, bool]:
    """Copies a results folder into the history; returns the entry, and whether it is new: the same results are added
    once. `revision` is for results whose manifest names none.

    StoreError for results that are missing, broken or half-written, and for a folder that cannot be written; ValueError
    for a revision that contradicts the manifest, and when neither names one.
    """
    with os_errors(history):
        history.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=history))
    try:
        with os_errors(results):
            copied = {name: (results / name).read_bytes() for name in FILES}
        with os_errors(history):
            for name, content in copied.items():
                atomic.write_whole(making / name, content)
        _read_rows(making, results)
        manifest = _manifest(making, results)
        found = _revision(manifest, revision, results)
        digests = {name: _sha(content) for name, content in copied.items()}
        entry = {"format": FORMAT, "revision": found, "added_at": utc_now(), "sha256": digests}
        with os_errors(history):
            atomic.write_whole(making / ENTRY, (json.dumps(entry, indent=1) + "\n").encode())
            return _place(making, history, _name(manifest, found, digests))
    finally:
        shutil.rmtree(making, ignore_errors=True)


def read(history: Path) -> History:
    """Every whole entry, in the order of their names, which begin with when they were measured. StoreError when there
    is no such folder."""
    with os_errors(history):
        folders = sorted(each for each in history.iterdir() if each.is_dir())
    entries, problems = [], []
    for folder in folders:
        if folder.name.startswith(_UNFINISHED):
            problems.append(f"{folder.name} was never finished: it is left out")
            continue
        if folder.name.startswith("."):
            continue
        try:
            entries.append(_read_entry(folder))
        except ValueError as error:
            problems.append(f"{folder.name} is left out: {error}")
    kept, superseded = _last_of_each_sweep(entries)
    return History(entries=tuple(kept), problems=(*problems, *superseded))


def _place(making: Path, history: Path, name: str) -> tuple[Path, bool]:
    """Renames; of two that add the same results at once, one does."""
    digest = name.rpartition("-")[2]
    there = next((each for each in history.glob(f"*-{digest}") if (each / ENTRY).exists()), None)
    if there:
        return there, False
    try:
        making.rename(history / name)
    except OSError:
        if (history / name / ENTRY).exists():
            return history / name, False
        raise
    return history / name, True


def _name(manifest: dict[str, Any], revision: str, digests: dict[str, str]) -> str:
    """`20261123T073239-d619b8c40a-1a2b3c4d5e6f`: sorts by time, and names the content."""
    when = re.sub(r"[^0-9T]", "", str(manifest["started_at"])[:19])[:15] or "undated"
    words = re.sub(r"[^0-9A-Za-z.]+", "_", revision)[:10].strip("._")
    return f"{when}-{words or 'unknown'}-{_sha(json.dumps(digests).encode())[:12]}"


def _revision(manifest: dict[str, Any], given: str | None, results: Path) -> str:
    recorded = manifest["environment"].get("git_revision")
    if given is not None and not given.strip():
        raise ValueError("--revision takes a name")
    if recorded and given and given != recorded:
        raise ValueError(f"{results} was measured at revision {str(recorded)[:40]}, not {given[:40]}")
    if not recorded and not given:
        raise ValueError(f"{results} was measured outside of a checkout: say which revision it is by --revision")
    return str(recorded or given)


def _read_entry(folder: Path) -> Entry:
    """ValueError (StoreError is one) for anything that is not as it was added."""
    with os_errors(folder):
        contents = {name: (folder / name).read_bytes() for name in (*FILES, ENTRY)}
    try:
        entry = json.loads(contents[ENTRY])
        digests, revision = dict(entry["sha256"]), str(entry["revision"])
        known = entry["format"] == FORMAT
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{ENTRY} is broken") from None
    if not known:
        raise ValueError(f"{ENTRY} is of another format than {FORMAT}")
    for name in FILES:
        if _sha(contents[name]) != digests.get(name):
            raise ValueError(f"{name} is not what was added")
    manifest = read_manifest(folder)
    return Entry(
        name=folder.name,
        processes=Evidence.of(read_row_list(folder), source=folder.name, manifest=manifest),
        revision=revision,
        is_dirty=bool(manifest["environment"].get("git_dirty")),
        measured_at=str(manifest["started_at"]),
    )


def _last_of_each_sweep(entries: list[Entry]) -> tuple[list[Entry], list[str]]:
    """A sweep that was added before it was finished and again afterwards is one entry: the one with the most rows."""
    best: dict[str, Entry] = {}
    for entry in entries:
        sweep = _sweep(entry)
        if sweep not in best or _count(entry) > _count(best[sweep]):
            best[sweep] = entry
    kept = [entry for entry in entries if best[_sweep(entry)] is entry]
    left_out = [entry for entry in entries if best[_sweep(entry)] is not entry]
    return kept, [f"{entry.name} is left out: {best[_sweep(entry)].name} holds more of its sweep" for entry in left_out]


def _sweep(entry: Entry) -> str:
    assert entry.processes.manifest is not None
    manifest = entry.processes.manifest
    return json.dumps([entry.measured_at, entry.revision, manifest["spec"], manifest["environment"]], sort_keys=True)


def _count(entry: Entry) -> int:
    return sum(len(rows) for rows in entry.processes.rows.values())


def _read_rows(making: Path, results: Path) -> None:
    with _named(making, results):
        rows = read_row_list(making)
    if not rows:
        raise ValueError(f"{results} has no rows yet")


def _manifest(making: Path, results: Path) -> dict[str, Any]:
    with _named(making, results):
        return read_manifest(making)


@contextmanager
def _named(making: Path, results: Path) -> Iterator[None]:
    """What is wrong with the copy is wrong with the results."""
    try:
        yield
    except StoreError as error:
        raise StoreError(str(error).replace(str(making), str(results))) from None


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
