"""Folder of results: the names of its files, and the error for what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROWS, SAMPLES, MANIFEST = "rows.csv", "samples.jsonl.gz", "manifest.json"

LAUNCH = (
    f"`launch` is now called `process`: rename it in the header of {ROWS}, in `spec` of {MANIFEST} "
    f"and in the cells of {SAMPLES}"
)
"""Remedy for a folder that was written before the rename."""


class StoreError(ValueError):
    """Says in one line what is wrong with a folder of results."""


@contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Turns an OSError into a StoreError, which names `path` if the error names no file."""
    try:
        yield
    except OSError as error:
        raise StoreError(reason(error, path)) from error


def reason(error: OSError, path: Path) -> str:
    """Returns `rows.csv: No space left on device`."""
    return f"{error.filename or path}: {error.strerror or error}"
