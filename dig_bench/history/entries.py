"""Entries of a history: one folder each, with the sweep's rows.csv and manifest.json, and entry.json.

`entry.json` holds the digests of the other two files. An entry never changes: one that does not match its digests is
left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dig_bench.compare.evidence import Evidence
from dig_bench.files import json_codec
from dig_bench.results.folder import MANIFEST, ROWS, os_errors
from dig_bench.results.manifest import read_manifest
from dig_bench.results.read import read_row_list

ENTRY = "entry.json"
FORMAT = 1
FILES = (ROWS, MANIFEST)
"""Files of a results folder that an entry copies."""

UNFINISHED = ".adding-"
"""Prefix of the folder in which an entry is made."""


@dataclass(frozen=True, kw_only=True)
class EntryFile:
    """Content of entry.json."""

    format: int
    revision: str
    added_at: str
    sha256: Mapping[str, str]
    """Digest of each file."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The results of one revision."""

    name: str
    """Name of its folder."""
    evidence: Evidence
    revision: str
    """Hash of the commit, or the name that the user gave; empty when unknown."""
    is_dirty: bool
    """True with uncommitted changes."""
    measured_at: str
    """Start of the sweep, ISO 8601."""

    @property
    def label(self) -> str:
        """`d619b8c40a`, with a `+` for uncommitted changes; the day of an unknown revision."""
        short = self.revision[:10] if re.fullmatch(r"[0-9a-f]{12,64}", self.revision) else self.revision
        return f"{short or self.measured_at[:10]}{'+' if self.is_dirty else ''}"


@dataclass(frozen=True, kw_only=True)
class History:
    """All entries that could be read."""

    entries: tuple[Entry, ...]
    problems: tuple[str, ...]
    """A sentence for each folder that is left out, with the reason."""


def read(history: Path) -> History:
    """Reads all complete entries, in the order of their names, which start with the time of measurement.

    Raises StoreError when the folder does not exist.
    """
    with os_errors(history):
        folders = sorted(each for each in history.iterdir() if each.is_dir())
    entries, problems = [], []
    for folder in folders:
        if folder.name.startswith(UNFINISHED):
            problems.append(f"{folder.name} is left out: its copy was interrupted")
            continue
        if folder.name.startswith("."):
            continue
        try:
            entries.append(_read_entry(folder))
        except ValueError as error:
            problems.append(f"{folder.name} is left out: {error}")
    kept, superseded = _fullest_of_each_sweep(entries)
    return History(entries=tuple(kept), problems=(*problems, *superseded))


def sha256(content: bytes) -> str:
    """Digest of a file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _read_entry(folder: Path) -> Entry:
    """Raises ValueError (or StoreError, a ValueError) unless the entry is as it was added."""
    with os_errors(folder):
        contents = {name: (folder / name).read_bytes() for name in (*FILES, ENTRY)}
    entry = _parse(contents[ENTRY])
    for name in FILES:
        if sha256(contents[name]) != entry.sha256.get(name):
            raise ValueError(f"{name} is not what was added")
    manifest = read_manifest(folder)
    return Entry(
        name=folder.name,
        evidence=Evidence.of(read_row_list(folder), source=folder.name, manifest=manifest),
        revision=entry.revision,
        is_dirty=bool(manifest["environment"].get("git_dirty")),
        measured_at=str(manifest["started_at"]),
    )


def _parse(content: bytes) -> EntryFile:
    try:
        found = json_codec.parse(content)
        is_known = found["format"] == FORMAT
        if is_known:
            return json_codec.build(EntryFile, found)
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{ENTRY} is broken") from None
    raise ValueError(f"{ENTRY} has another format than {FORMAT}")


def _fullest_of_each_sweep(entries: list[Entry]) -> tuple[list[Entry], list[str]]:
    """Keeps one entry of a sweep that was added before and after its end: the one with the most rows."""
    best: dict[str, Entry] = {}
    for entry in entries:
        sweep = _sweep(entry)
        if sweep not in best or _count(entry) > _count(best[sweep]):
            best[sweep] = entry
    kept = [entry for entry in entries if best[_sweep(entry)] is entry]
    left_out = [entry for entry in entries if best[_sweep(entry)] is not entry]
    return kept, [f"{entry.name} is left out: {best[_sweep(entry)].name} holds more of its sweep" for entry in left_out]


def _sweep(entry: Entry) -> str:
    assert entry.evidence.manifest is not None
    manifest = entry.evidence.manifest
    return json.dumps([entry.measured_at, entry.revision, manifest["spec"], manifest["environment"]], sort_keys=True)


def _count(entry: Entry) -> int:
    return sum(len(rows) for rows in entry.evidence.rows.values())
