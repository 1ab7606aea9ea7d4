"""Lock that one process holds at a time. The kernel releases it when the process dies, whatever the cause."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dig_bench.files.atomic import naming

MAX_HOLDER_BYTES = 500
UNNAMED = "another process"
"""Holder that has not yet written its name, or has already erased it."""


FOLDER_LOCK = ".lock"
"""Name of a folder's lock."""


class FolderInUseError(ValueError):
    """Names the folder and the process that writes into it."""


class LockedError(Exception):
    """Another process holds the lock; `holder` is its description, or UNNAMED."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"{holder} holds the lock")
        self.holder = holder


class Lock:
    """flock on a file that names its holder. Raises LockedError if it is held, OSError if the file cannot be made.

    With `shared_by_users` everybody can write to the file, and it stays after the release: in a sticky folder only its
    owner can remove it.
    """

    def __init__(self, path: Path, *, holder: str, shared_by_users: bool = False) -> None:
        self._path = path
        self._stays = shared_by_users
        while True:
            self._fd = _open(path, 0o666 if shared_by_users else 0o644)
            try:
                with naming(path):
                    self._take(holder)
            except BaseException:
                os.close(self._fd)
                raise
            if self._fd_is_current():
                return
            # Its holder removed the file in between: a lock on a removed file is worth nothing.
            os.close(self._fd)

    def release(self) -> None:
        """Releases the lock. Does nothing the second time."""
        if self._fd >= 0:
            if self._stays:
                os.ftruncate(self._fd, 0)
            else:
                self._path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1

    def _take(self, holder: str) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            written = os.pread(self._fd, MAX_HOLDER_BYTES, 0).decode(errors="replace")
            # Another user may have written it: keep control characters off the terminal.
            text = "".join(char for char in written.strip() if char.isprintable())
            raise LockedError(text or UNNAMED) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{holder}\n".encode()[:MAX_HOLDER_BYTES], 0)

    def _fd_is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self._path))
        except FileNotFoundError:
            return False


def lock_folder(folder: Path) -> Lock:
    """Makes the folder and locks it. Raises FolderInUseError if it is locked, OSError if it cannot be written."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return Lock(folder / FOLDER_LOCK, holder=f"process {os.getpid()}")
        except LockedError as error:
            raise FolderInUseError(f"{folder} is being written by {error.holder}") from None
        except FileNotFoundError:
            # Another run had made the folder, and removed it in between.
            if folder.exists():
                raise


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Locks the folder while the block runs. Removes any folder it created that is still empty.

    Raises what `lock_folder` raises.
    """
    folder = Path(os.path.abspath(folder))
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    lock = lock_folder(folder)
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            for each in made:
                each.rmdir()


def _open(path: Path, mode: int) -> int:
    """Opens the file for reading and writing; makes it if necessary."""
    # A planted link could lead to a file that must not be truncated.
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        try:
            # Not O_CREAT: Linux refuses that for another user's file in a sticky folder (fs.protected_regular).
            fd = os.open(path, flags)
        except FileNotFoundError:
            try:
                fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, mode)
            except FileExistsError:
                continue
            # Ignores the umask.
            with naming(path):
                os.fchmod(fd, mode)
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1:
            return fd
        os.close(fd)
        raise OSError(f"{path} is not a regular file with a single link")
