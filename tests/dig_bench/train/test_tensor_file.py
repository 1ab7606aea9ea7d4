"""A file of tensors is there as a whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dig_bench.train import tensor_file


def test_it_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for value in (1.0, 2.0):
        tensor_file.write(path, {"x": torch.full((3,), value)})
        assert load_file(path)["x"].tolist() == [value] * 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensor_file.write(path, {"x": torch.zeros(3)})
    # Where the new one would be written first, there is a file of somebody's.
    (tmp_path / "x.safetensors.writing").write_bytes(b"")
    with pytest.raises(ValueError, match=r"x\.safetensors cannot be written, and is left as it was: "):
        tensor_file.write(path, {"x": torch.ones(3)})
    assert load_file(path)["x"].tolist() == [0, 0, 0]


KILLED = """
import os, signal, sys
from pathlib import Path
from safetensors import torch as files
from dig_bench.train import tensor_file
whole = files.save_file

def save_file(tensors, path, **more):
    whole(tensors, Path(path).with_name(".tmpAbCdEf"), **more)
    os.kill(os.getpid(), signal.SIGKILL)

files.save_file = save_file
tensor_file.write(Path(sys.argv[1]), {})
"""


def test_what_a_killed_writer_leaves_is_gone_after_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    ran = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert ran.returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob("*"))) == 2
    tensor_file.write(path, {"x": torch.zeros(3)})
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_others_may_read_it_as_the_umask_lets_them(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        tensor_file.write(tmp_path / "x.safetensors", {"x": torch.zeros(3)})
    finally:
        os.umask(before)
    assert (tmp_path / "x.safetensors").stat().st_mode & 0o777 == mode
