"""Safetensors files are written atomically."""

import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dig_bench.train import tensor_file


def test_a_write_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for value in (1.0, 2.0):
        tensor_file.write(path, {"x": torch.full((3,), value)})
        assert load_file(path)["x"].tolist() == [value] * 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensor_file.write(path, {"x": torch.zeros(3)})
    # A file occupies the path where the new one would be written first.
    (tmp_path / "x.safetensors.writing").write_bytes(b"")
    with pytest.raises(ValueError, match=r"x\.safetensors cannot be written, the old file is unchanged: "):
        tensor_file.write(path, {"x": torch.ones(3)})
    assert load_file(path)["x"].tolist() == [0, 0, 0]


def test_the_next_write_removes_what_a_killed_writer_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save_and_die(tensors: dict[str, torch.Tensor], path: Path, **options: object) -> None:
        save_file(tensors, path.with_name(".tmpAbCdEf"))
        os.kill(os.getpid(), signal.SIGKILL)

    path = tmp_path / "x.safetensors"
    monkeypatch.setattr("safetensors.torch.save_file", save_and_die)
    child = os.fork()
    if child == 0:
        try:
            tensor_file.write(path, {})
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    monkeypatch.undo()
    assert len(list(tmp_path.rglob("*"))) == 2
    tensor_file.write(path, {"x": torch.zeros(3)})
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_decides_who_may_read_it(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        tensor_file.write(tmp_path / "x.safetensors", {"x": torch.zeros(3)})
    finally:
        os.umask(before)
    assert (tmp_path / "x.safetensors").stat().st_mode & 0o777 == mode
