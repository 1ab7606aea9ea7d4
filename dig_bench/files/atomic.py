"""Writes that survive a killed process: appended or replaced as a whole; a half-written end can be cut off."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
"""Start of each member that gzip.compress(..., mtime=0) writes."""


class DamagedError(Exception):
    """Says how a file is damaged beyond what a killed writer leaves behind."""


def append(path: Path, content: bytes) -> None:
    """Appends and syncs to disk. If that fails, raises OSError and removes what was written."""
    is_new = not path.exists()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        before = os.fstat(fd).st_size
        try:
            with naming(path):
                # A full disk accepts a part first, and fails at the next write.
                while content:
                    content = content[os.write(fd, content) :]
                os.fsync(fd)
        except OSError:
            with suppress(OSError):
                os.ftruncate(fd, before)
            raise
    finally:
        os.close(fd)
    if is_new:
        _sync_folder(path.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Replaces a file atomically. If that fails, raises OSError and keeps the old file."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file that replaces the path when the block ends. If that fails, the path stays as it is."""
    partial = path.with_name(path.name + ".partial")
    try:
        with naming(path):
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def cut(path: Path, length: int) -> bool:
    """Moves all but the first `length` bytes to the end of NAME.cut. Returns True if there were any."""
    if not path.exists() or path.stat().st_size == length:
        return False
    append(path.with_name(path.name + ".cut"), path.read_bytes()[length:])
    os.truncate(path, length)
    return True


def whole_members(content: bytes) -> int:
    """Returns the length in bytes of the whole gzip members. Raises DamagedError if any but the last is broken."""
    length = 0
    while length < len(content):
        member = zlib.decompressobj(wbits=31)
        try:
            member.decompress(content[length:])
        except zlib.error as error:
            raise DamagedError(f"from byte {length} on: {error}") from None
        if not member.eof:
            if GZIP_HEADER in content[length + 1 :]:
                raise DamagedError(f"from byte {length} on: whole samples after broken ones")
            break
        length = len(content) - len(member.unused_data)
    return length


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Adds the path to an OSError, which names no file if a descriptor fails."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _sync_folder(folder: Path) -> None:
    """Syncs a folder, so that a new name in it survives a power cut if the file system supports that."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with suppress(OSError):
        os.fsync(fd)
    os.close(fd)
