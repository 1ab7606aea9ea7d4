"""Order of the entries: by commits if a git repository knows all of their revisions, else by date."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dig_bench.history.entries import Entry

MAX_SUBJECTS = 20
"""Commits listed for a change point."""

_TIMEOUT_S = 60
_HASH = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Commits:
    """The commits between the revisions of two entries."""

    count: int
    subjects: tuple[str, ...]
    """`1a2b3c4d5e A subject`, the newest first, MAX_SUBJECTS at most."""
    is_one_line: bool
    """True if the first revision is an ancestor of the second; else they also differ in commits of another branch."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """Entries in order."""

    entries: tuple[Entry, ...]
    repository: Path | None
    """None for the order by date."""
    note: str
    """A sentence on what the order follows."""

    def commits(self, before: Entry, after: Entry) -> Commits | None:
        """Asks git for the commits between two entries. Returns None without a repository and for equal revisions."""
        if self.repository is None or before.revision == after.revision:
            return None
        span = f"{before.revision}..{after.revision}"
        count = _git(self.repository, "rev-list", "--count", span)
        subjects = _git(self.repository, "log", f"--max-count={MAX_SUBJECTS}", "--format=%h %s", "--abbrev=10", span)
        ancestor = _git(self.repository, "merge-base", before.revision, after.revision)
        if count is None or subjects is None:
            return None
        return Commits(
            count=int(count),
            subjects=tuple(subjects.splitlines()),
            is_one_line=ancestor == before.revision,
        )


def arrange(entries: Sequence[Entry], repository: Path | None) -> Order:
    """Sorts entries by commits, and entries of one revision by date. All are sorted by date if git cannot tell.

    `repository` is any folder of a checkout; None asks for the order by date.
    """
    by_date = sorted(entries, key=lambda entry: (entry.measured_at, entry.name))
    if repository is None:
        return Order(entries=tuple(by_date), repository=None, note="Ordered by the date of measurement.")
    revisions = {entry.revision for entry in entries}
    places = _places(repository, [revision for revision in revisions if _HASH.fullmatch(revision)])
    unknown = sorted(entry.label for entry in entries if entry.revision not in places)
    if unknown:
        some = ", ".join(dict.fromkeys(unknown[:5]))
        place = "the current folder" if repository == Path() else repository
        return Order(
            entries=tuple(by_date),
            repository=None,
            note=f"Ordered by the date of measurement: {place} does not know {some}{' ...' * (len(unknown) > 5)}.",
        )
    by_commit = sorted(by_date, key=lambda entry: places[entry.revision])
    return Order(entries=tuple(by_commit), repository=repository, note="Ordered by commits.")


def _places(repository: Path, revisions: Sequence[str]) -> dict[str, int]:
    """Position of each known revision; ancestors come first."""
    if not revisions:
        return {}
    listed = _git(repository, "rev-list", "--topo-order", "--reverse", "--ignore-missing", *sorted(revisions))
    return {revision: place for place, revision in enumerate((listed or "").split())}


def _git(repository: Path, *arguments: str) -> str | None:
    """Output of a git command; None when git is missing, fails or exceeds the time limit."""
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
