"""Files that outlive their writer's sudden death: appended to and replaced as a whole, cut back to what is whole."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
"""As gzip.compress(..., mtime=0) begins each member."""


class DamagedError(Exception):
    """A file is broken in a way that no killed writer leaves behind."""


def append(path: Path, content: bytes) -> None:
    """On disk when it returns; OSError when it cannot be written, and then nothing of it is left in the file."""
    is_new = not path.exists()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        before = os.fstat(fd).st_size
        try:
            with naming(path):
                # A disk that is full takes a part first, and says why only when asked again.
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
    """Readers see the old file or the new one, never a part. OSError when it cannot be written; the old one stays."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the path's place when the block ends, and leaves it alone when that fails."""
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
    """Moves what lies behind the first `length` bytes to the end of NAME.cut. Returns whether there was anything."""
    if not path.exists() or path.stat().st_size == length:
        return False
    append(path.with_name(path.name + ".cut"), path.read_bytes()[length:])
    os.truncate(path, length)
    return True


def whole_members(content: bytes) -> int:
    """Length in bytes of the gzip members that are whole. DamagedError when more than the last one's end is missing."""
    length = 0
    while length < len(content):
        member = zlib.decompressobj(wbits=31)
        try:
            member.decompress(content[length:])
        except zlib.error as error:
            raise DamagedError(f"from byte {length} on: {error}") from None
        if not member.eof:
            if GZIP_HEADER in content[length + 1 :]:
                raise DamagedError(f"from byte {length} on: whole samples behind broken ones")
            break
        length = len(content) - len(member.unused_data)
    return length


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What is wrong with a descriptor does not say of which file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _sync_folder(folder: Path) -> None:
    """So that a new name in it outlives a power cut, where the file system can promise that."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with suppress(OSError):
        os.fsync(fd)
    os.close(fd)
