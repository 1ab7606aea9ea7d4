"""A lock held by one process at a time, and given up at its death, however that comes: the kernel drops an flock."""

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
"""A holder that has not written its name yet, or has wiped it already: taking and giving up are two steps each."""


FOLDER_LOCK = ".lock"


class FolderInUseError(ValueError):
    """Which folder another process writes into, and which process that is."""


class LockedError(Exception):
    """Another process holds the lock; `holder` is what it said of itself, or UNNAMED."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"{holder} holds the lock")
        self.holder = holder


class Lock:
    """An flock on a file that says who holds it. OSError when the file cannot be made.

    `shared_by_users`: the file stays when it is given up, since in a sticky folder only its maker may remove it, and
    everybody may write to it.
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
            # Its holder removed the file after it was opened here: a lock on it would keep nobody out.
            os.close(self._fd)

    def release(self) -> None:
        """Does nothing the second time."""
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
            # Others wrote it: no control characters on somebody's terminal.
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
    """Makes the folder, and takes its lock. FolderInUseError, or OSError when it cannot be written."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return Lock(folder / FOLDER_LOCK, holder=f"process {os.getpid()}")
        except LockedError as error:
            raise FolderInUseError(f"{folder} is being written by {error.holder}") from None
        except FileNotFoundError:
            # Another run, which had made the folder in vain, removed it in between.
            if folder.exists():
                raise


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds the folder's lock while the block runs; folders that were made for it, and in vain, are gone afterwards.
    Raises as lock_folder does."""
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
    """Opens the file for reading and writing, or makes it."""
    # A planted link could lead to a file that is not ours to truncate.
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
            # Past the umask.
            with naming(path):
                os.fchmod(fd, mode)
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1:
            return fd
        os.close(fd)
        raise OSError(f"{path} is no plain file of one name")
