"""`dig-bench sample`, and the checks of checkpoints."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

pytest.importorskip("diffusers")

from dig_bench.sample import images
from dig_bench.sample.run import Request, sample
from dig_bench.train import checkpoint_file
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.models import FOR_DIGITS
from dig_models import build
from dig_models.samplers import Sampling
from harness import run_command
from training import save_tiny_vae


def digits_checkpoint(*, spoiled: float = 0.0) -> Checkpoint:
    """A fresh DiT-N/4 whose averages are perturbed, so that labels and noise affect the output."""
    torch.manual_seed(0)
    model = FOR_DIGITS["DiT-N/4"]
    network = model.architecture(model.config, backend="sdpa")
    weights = network.state_dict()
    averages = {name: value + 0.05 * torch.randn_like(value) for name, value in weights.items()}
    averages["final_layer.linear.bias"] = averages["final_layer.linear.bias"] + spoiled
    return Checkpoint(
        model="DiT-N/4", data="digits", image_size=32, num_classes=10, step=7, weights=weights, averages=averages
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    checkpoint_file.save(digits_checkpoint(), tmp_path / "last.safetensors")
    return tmp_path / "last.safetensors"


def run(*arguments: object) -> tuple[int, str]:
    ran = run_command("sample", *arguments, "--device", "cpu")
    return ran.code, ran.said


def test_a_checkpoint_is_read_back_as_it_was(path: Path) -> None:
    saved, loaded = digits_checkpoint(), checkpoint_file.load(path)
    assert (loaded.model, loaded.data, loaded.step) == ("DiT-N/4", "digits", 7)
    for before, after in ((saved.weights, loaded.weights), (saved.averages, loaded.averages)):
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
    averaged, last = (loaded.build(backend="sdpa", device="cpu", averaged=which) for which in (True, False))
    assert not torch.equal(averaged.final_layer.linear.weight, last.final_layer.linear.weight)  # type: ignore[union-attr, arg-type]


def test_weights_that_are_not_finite_are_not_saved(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"averages\.final_layer\.linear\.bias is not finite at step 7"):
        checkpoint_file.save(digits_checkpoint(spoiled=float("nan")), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_images_and_grid_are_written(path: Path, tmp_path: Path) -> None:
    options = ["--sampler", "ddim", "--sampler-steps", 2, "--classes", "3,5", "--out", tmp_path / "out"]
    code, output = run(path, "--images", 5, "--batch", 2, *options)
    assert code == 0, output
    assert "5 images" in output
    with np.load(tmp_path / "out" / "images.npz") as arrays:
        assert arrays["arr_0"].shape == (5, 32, 32, 3)
        assert arrays["arr_1"].tolist() == [3, 5, 3, 5, 3]
        assert arrays["arr_0"].std() > 0
    with Image.open(tmp_path / "out" / "grid.png") as grid:
        assert grid.size == (3 * 34 - 2, 2 * 34 - 2)


def test_a_failed_write_keeps_the_old_files(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "images.npz").write_bytes(b"before")
    monkeypatch.setattr(np, "savez", full)
    code, output = run(path, "--images", 1, "--sampler", "ddim", "--sampler-steps", 1, "--out", tmp_path)
    assert code == 2
    assert output == f"{tmp_path / 'images.npz'}: No space left on device"
    assert {each.name for each in tmp_path.iterdir()} <= {"images.npz", path.name}
    assert (tmp_path / "images.npz").read_bytes() == b"before"


def test_the_first_call_does_not_count_in_the_throughput(monkeypatch: pytest.MonkeyPatch) -> None:
    """It compiles, captures and imports, which would dominate a few images."""
    happened: list[object] = []
    draw = images.draw

    def drawn(network: Any, config: Any, labels: Any, sampling: Sampling, **how: Any) -> torch.Tensor:
        happened.append((len(labels), sampling.steps))
        return draw(network, config, labels, sampling, **how)

    monkeypatch.setattr(images, "draw", drawn)
    monkeypatch.setattr("dig_bench.sample.run.perf_counter", lambda: happened.append("clock") or 1.0 * len(happened))
    request = Request(labels=[0, 1, 2], sampling=Sampling(sampler="ddim", steps=2), batch_size=2)
    assert sample(digits_checkpoint(), request, device="cpu")
    assert happened == [(2, 1), "clock", (2, 2), (2, 2), "clock"]


def test_out_of_memory_is_one_line_with_a_remedy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def starved(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB")

    monkeypatch.setattr(images, "draw", starved)
    code, output = run(path, "--images", 1, "--sampler", "ddim", "--sampler-steps", 1, "--out", path.parent / "out")
    assert (code, output) == (2, "the GPU is out of memory: a smaller --batch and --precision bf16 need less of it")


def test_seed_and_guidance_change_the_images_and_the_batch_does_not(path: Path, tmp_path: Path) -> None:
    def images(*options: object) -> np.ndarray:
        code, output = run(
            path, "--images", 3, "--sampler", "ddim", "--sampler-steps", 2, "--out", tmp_path / "out", *options
        )
        assert code == 0, output
        with np.load(tmp_path / "out" / "images.npz") as arrays:
            return arrays["arr_0"]

    first = images()
    assert np.abs(images("--batch", 1).astype(int) - first).max() <= 1
    for options in (("--seed", 1), ("--guidance", 3), ("--no-ema",)):
        assert (images(*options) != first).any()


def test_a_backend_that_cannot_run_here_is_named(path: Path) -> None:
    code, output = run(path, "--backend", "flash2")
    assert (code, output) == (2, "DiT-N/4 cannot run here: flash2: runs on cuda only")


def test_a_process_uses_the_gpu_that_its_launcher_assigned(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[object] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    request = Request(labels=[0], sampling=Sampling(sampler="ddim", steps=1))
    # There is no such GPU here, but it has been made the current one.
    with pytest.raises((RuntimeError, AssertionError)):
        sample(digits_checkpoint(), request, device="cuda")
    assert chosen == [1]


def test_a_published_checkpoint_of_latents_needs_its_vae(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build("DiT-S/2", image_size=32, backend="sdpa", num_classes=1000)
    torch.save(network.state_dict(), tmp_path / "published.pt")
    options = ["--model", "DiT-S/2", "--res", 32, "--images", 1, "--sampler", "ddim", "--sampler-steps", 1]
    options += ["--out", tmp_path / "out"]
    assert "generates latents: pass a local folder of their VAE" in run(tmp_path / "published.pt", *options)[1]
    assert "no VAE at" in run(tmp_path / "published.pt", *options, "--vae", tmp_path)[1]
    code, output = run(tmp_path / "published.pt", *options, "--vae", save_tiny_vae(tmp_path / "vae"))
    assert code == 0, output
    with np.load(tmp_path / "out" / "images.npz") as arrays:
        assert arrays["arr_0"].shape == (1, 32, 32, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "3,10"], "--classes takes numbers from 0 to 9, not '10'"),
        (["--sampler", "euler"], "no sampler 'euler'"),
        (["--backend", "flash9"], "has no backend 'flash9'"),
        (["--precision", "fp8"], "--precision has no 'fp8'"),
        (["--precision", "fp32,bf16"], "--precision takes one of fp32, tf32, bf16, fp16 here, not 'fp32,bf16'"),
        (["--res", "0"], "Invalid value for '--res'"),
        (["--images", "99999999999999"], "Invalid value for '--images'"),
        (["--vae", "folder"], "DiT-N/4 generates pixels and needs no --vae"),
        (["--model", "DiT-N/4"], "names its model and resolution itself: remove --model and --res"),
        (["--res", "64"], "names its model and resolution itself"),
    ],
)
def test_wrong_options_are_named(path: Path, tmp_path: Path, options: list[str], message: str) -> None:
    code, output = run(path, "--out", tmp_path / "out", *options)
    assert code == 2
    assert message in output
    assert not (tmp_path / "out").exists()


def test_foreign_and_broken_files_are_rejected(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoint at"):
        checkpoint_file.load(tmp_path / "missing.safetensors")
    save_file({"weight": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="not a checkpoint of dig-bench: for a published checkpoint, add --model"):
        checkpoint_file.load(tmp_path / "foreign.safetensors")
    weights = {name: value.int() for name, value in checkpoint_file.load(path).weights.items()}
    with pytest.raises(ValueError, match=r"^weights\..* has type torch\.int32, not a floating-point type"):
        replace(checkpoint_file.load(path), weights=weights).check()
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a safetensors file"):
        checkpoint_file.load(path)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"step": "seven"}, "step is 'seven', not of type int"),
        ({"run": []}, r"run is \[\], not of type Mapping"),
        ({"new": 1}, "new is unknown"),
        ({"model": "DiT-N/5"}, "no model 'DiT-N/5'"),
        ({"model": "DiG-N/4"}, "the parameters do not fit DiG; missing: "),
        ({"num_classes": -1}, "image_size, num_classes and channels must be at least 1"),
        ({"num_classes": 10**13}, "the parameters do not fit DiT; of another shape: y_embedder"),
        ({"image_size": 10**9}, "Storage size calculation overflowed"),
        (None, "it is nested too deeply"),
    ],
)
def test_wrong_metadata_of_a_checkpoint_is_named(path: Path, about: dict | None, message: str) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    text = "[" * 100_000 if about is None else json.dumps(json.loads(metadata["about"]) | about)
    save_file(load_file(path), path, metadata=metadata | {"about": text})
    with pytest.raises(ValueError, match=rf"last\.safetensors: {message}"):
        checkpoint_file.load(path)


def test_unknown_tensors_are_named(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    for name, message in (
        ("junk", "junk is unknown"),
        ("optimizer.exp_avg.x", "optimizer state exp_avg.x fits no parameter"),
    ):
        save_file({**load_file(path), name: torch.zeros(2)}, path.with_name("other"), metadata=metadata)
        with pytest.raises(ValueError, match=rf"other: .*{message}"):
            checkpoint_file.load(path.with_name("other"), with_optimizer=True)


def test_a_published_checkpoint_of_another_model_is_named(path: Path, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "published.pt")
    code, output = run(tmp_path / "published.pt", "--model", "DiT-S/2", "--res", 32)
    assert code == 2
    assert output.startswith(f"{tmp_path / 'published.pt'} as DiT-S/2 at 32 px: the parameters do not fit DiT; missing")


def test_a_published_checkpoint_needs_its_model(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "DiT-XL-2.pt")
    code, output = run(tmp_path / "DiT-XL-2.pt")
    assert code == 2
    assert "DiT-XL-2.pt is not a safetensors file: " in output
    assert output.endswith("; for a published checkpoint, add --model and --res")


def test_a_named_pipe_is_rejected(tmp_path: Path) -> None:
    """Opening it would wait for a writer."""
    os.mkfifo(tmp_path / "last.safetensors")
    assert run(tmp_path / "last.safetensors") == (2, f"no checkpoint at {tmp_path / 'last.safetensors'}")


def test_weights_of_another_model_are_rejected(path: Path) -> None:
    other = replace(checkpoint_file.load(path), model="DiG-N/4")
    with pytest.raises(ValueError, match="the parameters do not fit DiG"):
        other.build(backend="chunked", device="cpu")
    with pytest.raises(ValueError, match="no model 'DiT-N/5'"):
        replace(other, model="DiT-N/5").build(backend="sdpa", device="cpu")


def test_an_impossible_folder_is_named_before_sampling(path: Path) -> None:
    assert run(path, "--out", path / "below") == (2, f"{path / 'below'}: {path} is a file, not a folder")


def test_an_error_names_some_weights_and_counts_the_rest(path: Path) -> None:
    with pytest.raises(ValueError, match="and 44 more; unexpected: ") as error:
        replace(checkpoint_file.load(path), model="DiG-N/4").build(backend="chunked", device="cpu")
    assert len(str(error.value)) < 1000
