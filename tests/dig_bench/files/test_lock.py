"""A folder's lock: made with the folder, and taken whatever happens to it in between."""

import errno
import os
from pathlib import Path

import pytest

from dig_bench.files import lock


def test_a_folder_that_another_run_removes_in_between_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, opened = tmp_path / "results", os.open

    def open_after_another_run(path: Path, flags: int, *mode: int) -> int:
        monkeypatch.setattr(os, "open", opened)
        folder.rmdir()
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", open_after_another_run)
    with lock.alone_in(folder), pytest.raises(lock.FolderInUseError):
        lock.lock_folder(folder)
    assert not folder.exists()


def test_empty_folders_are_removed_however_they_are_spelt(tmp_path: Path) -> None:
    with lock.alone_in(tmp_path / "some" / ".." / "other" / "results"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_names_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left on device") as raised:
        lock.lock_folder(tmp_path)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(tmp_path / lock.FOLDER_LOCK))
