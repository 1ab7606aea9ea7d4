"""Only one run at a time benchmarks a GPU: a second one waits or fails. On a CPU it gets a warning."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dig_bench.files.lock import UNNAMED, Lock, LockedError
from dig_bench.machine import device_lock
from dig_bench.machine.device_lock import DeviceLockError, alone_on

UUID = "GPU-5a1e0000-test"
NOBODY = 65534

HOLD = """
import sys
from pathlib import Path
from dig_bench.files.lock import Lock
lock = Lock(Path(sys.argv[1]), holder="process of the test", shared_by_users=True)
print("held", flush=True)
sys.stdin.read()
lock.release()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The locks' folder, and a GPU to lock."""
    monkeypatch.setattr(device_lock, "FOLDER", tmp_path / "locks")
    monkeypatch.setattr(device_lock, "POLL_S", 0.01)
    monkeypatch.setattr(device_lock, "open_gpu", lambda: SimpleNamespace(uuid=UUID, name="Test GPU"))
    return tmp_path / "locks"


@contextmanager
def held_by_another(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A lock that another process holds until its input ends."""
    path.parent.mkdir(exist_ok=True)
    arguments = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other
        other.communicate()


def refuse(text: str) -> None:
    pytest.fail(f"unexpected message: {text}")


def test_a_gpu_is_locked_by_its_uuid_and_released_after_the_block(folder: Path) -> None:
    for _ in range(2):
        with alone_on("cuda", wait_s=None, say=refuse):
            held = (folder / f"{UUID}.lock").read_text()
            assert held.startswith(f"process {os.getpid()} of ")
    assert (folder / f"{UUID}.lock").read_text() == ""


def test_a_gpu_in_use_is_refused_at_once_with_its_holder(folder: Path) -> None:
    with (
        held_by_another(folder / f"{UUID}.lock"),
        pytest.raises(DeviceLockError) as caught,
        alone_on("cuda", wait_s=None, say=refuse),
    ):
        pytest.fail("held twice")
    expected = f"the GPU Test GPU ({UUID}) is in use by process of the test: wait for it with --wait SECONDS"
    assert str(caught.value) == expected


def test_another_gpu_is_free(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with held_by_another(folder / f"{UUID}.lock"):
        monkeypatch.setattr(device_lock, "open_gpu", lambda: SimpleNamespace(uuid="GPU-other", name="Test GPU"))
        with alone_on("cuda", wait_s=None, say=refuse):
            pass


def test_waiting_is_announced_once_and_ends_when_the_gpu_is_free(folder: Path) -> None:
    said = []
    with held_by_another(folder / f"{UUID}.lock") as other:
        assert other.stdin is not None
        threading.Timer(0.2, other.stdin.close).start()
        with alone_on("cuda", wait_s=60, say=said.append):
            pass
        other.stdin = None
    assert said == [f"waiting up to 60 s for the GPU Test GPU ({UUID}), in use by process of the test"]


def test_an_unnamed_holder_is_not_announced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter(["process 1 of the test", UNNAMED, "process 2 of the test"])

    def lock(path: Path, **options: Any) -> Lock:
        if holder := next(seen, None):
            raise LockedError(holder)
        return Lock(path, **options)

    monkeypatch.setattr(device_lock, "Lock", lock)
    said: list[str] = []
    with alone_on("cuda", wait_s=60, say=said.append):
        pass
    assert [text.partition(", in use by ")[2] for text in said] == ["process 1 of the test", "process 2 of the test"]


def test_waiting_ends_with_a_refusal(folder: Path) -> None:
    with (
        held_by_another(folder / f"{UUID}.lock"),
        pytest.raises(DeviceLockError, match=r"not free within 0\.05 s"),
        alone_on("cuda", wait_s=0.05, say=lambda text: None),
    ):
        pytest.fail("held twice")


def test_kill_9_of_the_holder_frees_the_gpu(folder: Path) -> None:
    with held_by_another(folder / f"{UUID}.lock") as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
        with alone_on("cuda", wait_s=None, say=refuse):
            pass


def test_a_cpu_in_use_is_a_warning_without_wait(folder: Path) -> None:
    said: list[str] = []
    with held_by_another(folder / "cpu.lock"):
        with alone_on("cpu", wait_s=None, say=said.append):
            pass
        with pytest.raises(DeviceLockError, match="the CPU is in use"), alone_on("cpu", wait_s=0, say=refuse):
            pytest.fail("held twice")
    assert len(said) == 1
    assert "the CPU is in use by process of the test" in said[0]
    assert "may be too long" in said[0]


def test_without_nvml_the_number_that_cuda_sees_names_the_gpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_lock, "open_gpu", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "../../3,1")
    with alone_on("cuda", wait_s=None, say=refuse):
        assert [path.name for path in folder.iterdir()] == ["cuda-3.lock"]


def test_other_users_may_take_the_lock_whatever_the_umask(folder: Path) -> None:
    previous = os.umask(0o077)
    try:
        with alone_on("cuda", wait_s=None, say=refuse):
            pass
    finally:
        os.umask(previous)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert stat.S_IMODE((folder / f"{UUID}.lock").stat().st_mode) == 0o666


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
def test_another_user_takes_and_releases_a_lock_that_root_made(folder: Path) -> None:
    with alone_on("cuda", wait_s=None, say=refuse):
        pass
    pid = os.fork()
    if pid == 0:
        # From within: the folders above belong to root alone.
        os.chdir(folder)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            Lock(Path(f"{UUID}.lock"), holder="nobody", shared_by_users=True).release()
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with alone_on("cuda", wait_s=None, say=refuse):
        pass


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "named pipe", "folder"])
def test_another_kind_of_file_is_refused_and_left_alone(kind: str, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    lock, precious = folder / f"{UUID}.lock", tmp_path / "precious"
    precious.write_text("content")
    if kind == "symbolic link":
        lock.symlink_to(precious)
    elif kind == "hard link":
        lock.hardlink_to(precious)
    elif kind == "named pipe":
        os.mkfifo(lock)
    else:
        lock.mkdir()
    with pytest.raises(DeviceLockError, match="cannot be locked"), alone_on("cuda", wait_s=None, say=refuse):
        pytest.fail("locked")
    assert precious.read_text() == "content"


def test_a_holders_name_has_no_control_characters(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock", holder="\x1b[31mred\x07 " + "x" * 10_000)
    with pytest.raises(LockedError) as caught:
        Lock(tmp_path / "lock", holder="second")
    assert caught.value.holder.startswith("[31mred ")
    assert len(caught.value.holder) <= 500
    lock.release()
