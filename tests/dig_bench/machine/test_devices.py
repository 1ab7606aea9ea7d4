"""--device: which device, and which of several GPUs."""

import os

import pytest
import torch

from dig_bench.machine.devices import choose, require


@pytest.mark.parametrize("there", [True, False])
def test_auto_takes_a_gpu_where_there_is_one(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert choose("auto") == ("cuda" if there else "cpu")


@pytest.mark.parametrize(("visible", "gpu"), [(None, "1"), ("3,5", "5"), ("GPU-a,GPU-b", "GPU-b")])
def test_a_numbered_gpu_is_the_only_one_that_workers_see(
    visible: str | None, gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Set first, so that monkeypatch puts back what was there.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible or "")
    if visible is None:
        del os.environ["CUDA_VISIBLE_DEVICES"]
    assert choose("cuda:1") == "cuda"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu


def test_a_gpu_that_is_hidden_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(ValueError, match="--device cuda:1: CUDA_VISIBLE_DEVICES=3 shows 1"):
        choose("cuda:1")


@pytest.mark.parametrize("device", ["", "tpu", "cuda:", "cuda:-1", "CPU"])
def test_other_devices_are_refused(device: str) -> None:
    with pytest.raises(ValueError, match="auto, cpu, cuda or cuda:N"):
        choose(device)


def test_a_gpu_that_is_not_there_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    require("cpu")
    with pytest.raises(ValueError, match="dig-bench doctor"):
        require("cuda")
