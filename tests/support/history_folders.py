"""Histories for tests: results of made-up revisions, and git repositories with empty commits."""

from __future__ import annotations

import json
import math
import random
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dig_bench.cell import Row
from dig_bench.history.add import add
from report_rows import row, write_results

Change = Callable[[int, Row], Row]
"""Maps the index of an entry and a row to that entry's row."""

NAMES = ("DiG-S/2@fla", "DiT-S/2@math")


def revision(place: int) -> str:
    """A hash that no repository has."""
    return f"{place:040x}"


def with_processes(rows: Iterable[Row], place: int, *, noise: float = 0.003, processes: int = 3) -> list[Row]:
    """Rows of an entry, with noise between entries and between processes. `place` seeds the noise."""
    numbers = random.Random(place)
    found = []
    for each in rows:
        entry_noise = numbers.gauss(0, noise)
        for process in range(1, processes + 1):
            factor = math.exp(entry_noise + numbers.gauss(0, noise))
            found.append(
                replace(
                    each,
                    process=process,
                    latency_ms_median=each.latency_ms_median and each.latency_ms_median * factor,
                )
            )
    return found


def results(
    folder: Path,
    place: int,
    *,
    change: Change = lambda place, row: row,
    names: Sequence[str] = NAMES,
    resolutions_px: Sequence[int] = (256, 512),
    started_at: str | None = None,
    noise: float = 0.003,
    **environment: Any,
) -> Path:
    """Writes the results folder of an entry. Entries start a day apart."""
    rows = [change(place, row(name, px, mode="train")) for name in names for px in resolutions_px]
    environment = {"git_revision": revision(place), **environment}
    written = write_results(folder, with_processes(rows, place, noise=noise), **environment)
    manifest = json.loads((written / "manifest.json").read_text(encoding="utf-8"))
    manifest["started_at"] = started_at or f"2026-{1 + place // 28:02}-{1 + place % 28:02}T03:04:05+00:00"
    (written / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return written


def keep(folder: Path, places: Iterable[int], **options: Any) -> Path:
    """Makes a history of the entries at these places."""
    history = folder / "history"
    for place in places:
        add(results(folder / f"results-{place}", place, **options), history)
    return history


def slower(since: int, factor: float, model: str = "DiG-S/2", until: int = 10**6) -> Change:
    """Makes a model slower from one entry on, until another."""

    def change(place: int, row: Row) -> Row:
        if row.model != model or not since <= place < until or row.latency_ms_median is None:
            return row
        return replace(row, latency_ms_median=row.latency_ms_median * factor)

    return change


def git(repository: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(repository), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit(repository: Path, subject: str) -> str:
    """Makes an empty commit, in a new repository if there is none. Returns its hash."""
    if not (repository / ".git").exists():
        repository.mkdir(parents=True, exist_ok=True)
        git(repository, "init", "--quiet", "--initial-branch=main")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", subject)
    return git(repository, "rev-parse", "HEAD")
