"""Files that a command writes by request: `--output FILE`, in the format that the name ends in."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from dig_bench.files.atomic import append, write_whole


def check(paths: Iterable[Path], suffixes: Collection[str]) -> None:
    """ValueError, before any work is done, for a file whose name says no format or that has no folder to lie in."""
    for path in paths:
        if path.suffix not in suffixes:
            raise ValueError(f"--output takes a file that ends in {', '.join(suffixes)}, not {str(path)!r}")
        if not path.parent.is_dir():
            raise ValueError(f"--output {str(path)!r}: there is no folder {str(path.parent)!r}")
        if not os.access(path.parent, os.W_OK):
            raise ValueError(f"--output {str(path)!r}: nothing can be written in {str(path.parent)!r}")


def write(path: Path, text: str, *, mode: Literal["w", "a"] = "w") -> None:
    """ValueError when the file cannot be written; what was there stays then. Mode "a" appends."""
    content = text.encode(errors="replace")
    with _os_errors(path):
        if mode == "a":
            append(path, content)
        else:
            write_whole(path, content)


@contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
