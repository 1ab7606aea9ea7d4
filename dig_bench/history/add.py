"""Adds results to a history.

An entry is made under a temporary name and renamed when it is complete, so that a reader never sees half of one.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dig_bench.files import atomic
from dig_bench.files.clock import utc_now
from dig_bench.files.json_codec import dumps
from dig_bench.history.entries import ENTRY, FILES, FORMAT, UNFINISHED, EntryFile, sha256
from dig_bench.results.folder import StoreError, os_errors
from dig_bench.results.manifest import read_manifest
from dig_bench.results.read import read_row_list


def add(results: Path, history: Path, *, revision: str | None = None) -> tuple[Path, bool]:
    """Copies a results folder into the history, unless the same results are there already.

    `revision` names the revision of results whose manifest has none. Returns the entry and whether it is new. Raises
    StoreError for results that are missing, broken or incomplete and for a history that cannot be written, and
    ValueError for a revision that contradicts the manifest and when neither names one.
    """
    with os_errors(history):
        history.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=history))
    try:
        with os_errors(results):
            copied = {name: (results / name).read_bytes() for name in FILES}
        with os_errors(history):
            for name, content in copied.items():
                atomic.write_whole(making / name, content)
        manifest = _checked_manifest(making, results)
        found = _revision(manifest, revision, results)
        digests = {name: sha256(content) for name, content in copied.items()}
        entry = EntryFile(format=FORMAT, revision=found, added_at=utc_now(), sha256=digests)
        with os_errors(history):
            atomic.write_whole(making / ENTRY, dumps(entry).encode())
            return _place(making, history, _name(manifest, found, digests))
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _checked_manifest(making: Path, results: Path) -> dict[str, Any]:
    """Reads the manifest of the copy. Raises StoreError, and ValueError for a table without rows."""
    with _named(making, results):
        rows = read_row_list(making)
    if not rows:
        raise ValueError(f"{results} has no rows yet")
    with _named(making, results):
        return read_manifest(making)


@contextmanager
def _named(making: Path, results: Path) -> Iterator[None]:
    """Names the results, not their copy, in errors."""
    try:
        yield
    except StoreError as error:
        raise StoreError(str(error).replace(str(making), str(results))) from None


def _revision(manifest: Mapping[str, Any], given: str | None, results: Path) -> str:
    recorded = manifest["environment"].get("git_revision")
    if given is not None and not given.strip():
        raise ValueError("--revision takes a name")
    if recorded and given and given != recorded:
        raise ValueError(f"{results} was measured at revision {str(recorded)[:40]}, not {given[:40]}")
    if not recorded and not given:
        raise ValueError(f"{results} was measured outside of a checkout: name its revision with --revision")
    return str(recorded or given)


def _name(manifest: Mapping[str, Any], revision: str, digests: Mapping[str, str]) -> str:
    """`20261123T073239-d619b8c40a-1a2b3c4d5e6f`: sorts by time, and identifies the content."""
    when = re.sub(r"[^0-9T]", "", str(manifest["started_at"])[:19])[:15] or "undated"
    words = re.sub(r"[^0-9A-Za-z.]+", "_", revision)[:10].strip("._")
    return f"{when}-{words or 'unknown'}-{sha256(json.dumps(digests).encode())[:12]}"


def _place(making: Path, history: Path, name: str) -> tuple[Path, bool]:
    """Renames the finished folder. If two processes add the same results at once, one entry remains."""
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
