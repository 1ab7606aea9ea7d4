"""A file of tensors is there as a whole or not at all."""

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
    # Where the new one would be written first, there is a folder.
    (tmp_path / "x.safetensors.partial").mkdir()
    with pytest.raises(ValueError, match=r"x\.safetensors cannot be written, and is left as it was: "):
        tensor_file.write(path, {"x": torch.ones(3)})
    assert load_file(path)["x"].tolist() == [0, 0, 0]
