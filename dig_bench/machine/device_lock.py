"""One measurement at a time on a GPU, among all users of a machine: two at once would time each other.

The locks lie in one folder that everybody may write to. Containers on one machine see each other's when that folder of
the machine is mounted into each of them. On a CPU a second sweep is only warned: much else runs there, so that a lock
would promise a quiet that it cannot give.
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
"""Not in the user's TMPDIR, which others do not share. All who share a device must name the same."""

POLL_S = 0.5


class DeviceLockError(ValueError):
    """The device cannot be had: who holds it, since when; or why it cannot be locked."""


@contextmanager
def alone_on(device: str, *, wait_s: float | None, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the device while the block runs: `cpu`, or `cuda`, which is the first visible GPU.

    Waits for it up to `wait_s` seconds, and says so; None is not at all. Then DeviceLockError, but on a CPU without
    `wait_s` a warning, and the block runs all the same. Not reentrant: within the block, do not take it again.
    """
    try:
        lock = _wait(*_identify(device), wait_s or 0.0, say)
    except DeviceLockError as error:
        if device != "cpu" or wait_s is not None:
            raise
        say(f"{error}; what is measured now may be too slow")
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
            remedy = f"not free within {wait_s:g} s" if wait_s else "--wait SECONDS waits for it"
            raise DeviceLockError(f"{device} is in use by {holder}: {remedy}")
        if not told or holder not in (told, UNNAMED):
            say(f"waiting up to {wait_s:g} s for {device}, in use by {holder}")
            told = holder
        time.sleep(min(POLL_S, max(0.0, deadline - time.monotonic())))


def _identify(device: str) -> tuple[str, str]:
    """The lock's file, and what to call the device. The UUID is the same in every container, the index is not."""
    if device == "cpu":
        return "cpu.lock", "the CPU"
    gpu = open_gpu()
    if gpu is not None and gpu.uuid:
        return f"{gpu.uuid}.lock", f"the GPU {gpu.name} ({gpu.uuid})"
    index = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    # It is the environment's, and becomes part of a path.
    index = "".join(char for char in index if char.isalnum() or char == "-") or "0"
    return f"cuda-{index}.lock", f"GPU {index}"


def _make_folder() -> None:
    try:
        FOLDER.mkdir()
    except FileExistsError:
        return
    # Past the umask. Sticky: everybody may add a file, nobody may remove another's.
    FOLDER.chmod(0o1777)


def _holder() -> str:
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"user {os.getuid()}"
    return f"process {os.getpid()} of {user} on {socket.gethostname()} since {utc_now()}"
