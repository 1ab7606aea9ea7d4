"""Files that a command writes by request: `--output FILE`, in the format that the name ends in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def check(paths: Iterable[Path], suffixes: Collection[str]) -> None:
    """ValueError, before any work is done, for a file whose name says no format or that has no folder."""
    for path in paths:
        if path.suffix not in suffixes:
            raise ValueError(f"--output takes a file that ends in {', '.join(suffixes)}, not {str(path)!r}")
        if not path.parent.is_dir():
            raise ValueError(f"--output {str(path)!r}: there is no folder {str(path.parent)!r}")


def write(path: Path, text: str, *, mode: str = "w") -> None:
    """ValueError when the file cannot be written. Mode "a" appends."""
    with _os_errors(path), open(path, mode, encoding="utf-8", errors="replace") as file:
        file.write(text)


@contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
