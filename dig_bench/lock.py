"""A lock on a folder, held by one process at a time and given up at its death, however that comes."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class LockedError(Exception):
    """Another process holds the lock; `pid` is its process id, as far as it is known."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"process {pid or 'unknown'} holds the lock")
        self.pid = pid


class Lock:
    """An flock on a file that names its holder. OSError when the file cannot be made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        while True:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.read(self._fd, 32).decode(errors="replace").strip()
                os.close(self._fd)
                raise LockedError(pid) from None
            if self._is_current():
                break
            # Its holder removed the file after it was opened here: a lock on it would keep nobody out.
            os.close(self._fd)
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Does nothing the second time."""
        if self._fd >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self._path))
        except FileNotFoundError:
            return False
