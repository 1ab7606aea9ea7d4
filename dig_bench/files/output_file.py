"""Files that a command writes on request: `--output FILE`. The name's ending selects the format."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from dig_bench.files.atomic import append, write_whole


def check(paths: Iterable[Path], suffixes: Collection[str]) -> None:
    """Raises ValueError, before any work is done, for an unknown format and for a folder that cannot be written."""
    for path in paths:
        if path.suffix not in suffixes:
            raise ValueError(f"--output takes a file that ends in {', '.join(suffixes)}, not {str(path)!r}")
        if not path.parent.is_dir():
            raise ValueError(f"--output {str(path)!r}: no such folder: {str(path.parent)!r}")
        if not os.access(path.parent, os.W_OK):
            raise ValueError(f"--output {str(path)!r}: {str(path.parent)!r} is not writable")


def write(path: Path, text: str, *, mode: Literal["w", "a"] = "w") -> None:
    """Writes the file, or appends with mode "a". If that fails, raises ValueError and keeps the old content."""
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
