"""Device lock: only one run at a time can benchmark a GPU, across all users of a machine.

The locks lie in one folder that everybody can write to. Containers share them if they mount that folder of the host.
On a CPU a second run only gets a warning: other programs run there anyway, so a lock could not keep it idle.
"""

from __future__ import annotations

import os
import pwd
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dig_bench.files.clock import utc_now
from dig_bench.files.lock import UNNAMED, Lock, LockedError
from dig_bench.measure.nvml import open_gpu

FOLDER = Path(os.environ.get("DIG_BENCH_LOCKS", "/tmp/dig-bench-locks"))
"""Folder of the locks. All who share a device must use the same one, so it is not in a user's TMPDIR."""

POLL_S = 0.5


class DeviceLockError(ValueError):
    """Says who holds the device and since when, or why it cannot be locked."""


@contextmanager
def alone_on(device: str, *, wait_s: float | None, say: Callable[[str], None]) -> Iterator[None]:
    """Locks the device while the block runs: `cpu`, or `cuda`, which is the first visible GPU.

    Waits up to `wait_s` seconds for it, and says so; None does not wait. Raises DeviceLockError if the device stays in
    use. On a CPU without `wait_s` it warns instead and runs the block. Not reentrant.
    """
    try:
        lock = _wait(*_identify(device), wait_s or 0.0, say)
    except DeviceLockError as error:
        if device != "cpu" or wait_s is not None:
            raise
        say(f"{error}; measured times may be too long")
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _wait(file_name: str, device: str, wait_s: float, say: Callable[[str], None]) -> Lock:
    deadline = time.monotonic() + wait_s
    told = ""
    while True:
        try:
            _make_folder()
            return Lock(FOLDER / file_name, holder=_holder(), shared_by_users=True)
        except OSError as error:
            reason = f"{error.filename or FOLDER}: {error.strerror or error}"
            raise DeviceLockError(f"{device} cannot be locked: {reason}") from error
        except LockedError as error:
            holder = error.holder
        if time.monotonic() >= deadline:
            remedy = f"not free within {wait_s:g} s" if wait_s else "wait for it with --wait SECONDS"
            raise DeviceLockError(f"{device} is in use by {holder}: {remedy}")
        if not told or holder not in (told, UNNAMED):
            say(f"waiting up to {wait_s:g} s for {device}, in use by {holder}")
            told = holder
        time.sleep(min(POLL_S, max(0.0, deadline - time.monotonic())))


def _identify(device: str) -> tuple[str, str]:
    """Returns the names of the lock's file and of the device. Only a UUID is the same in all containers."""
    if device == "cpu":
        return "cpu.lock", "the CPU"
    gpu = open_gpu()
    if gpu is not None and gpu.uuid:
        return f"{gpu.uuid}.lock", f"the GPU {gpu.name} ({gpu.uuid})"
    index = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    # It comes from the environment and becomes part of a path.
    index = "".join(char for char in index if char.isalnum() or char == "-") or "0"
    return f"cuda-{index}.lock", f"GPU {index}"


def _make_folder() -> None:
    try:
        FOLDER.mkdir()
    except FileExistsError:
        return
    # Ignores the umask. Sticky: everybody can add files, and only the owner of a file can remove it.
    FOLDER.chmod(0o1777)


def _holder() -> str:
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"user {os.getuid()}"
    return f"process {os.getpid()} of {user} on {socket.gethostname()} since {utc_now()}"
