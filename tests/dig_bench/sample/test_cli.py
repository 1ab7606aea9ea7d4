"""`dig-bench sample` from a checkpoint to files, and what checkpoints refuse."""

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
from typer.testing import CliRunner

pytest.importorskip("diffusers")

from dig_bench.cli import app
from dig_bench.sample import images
from dig_bench.sample.run import Request, sample
from dig_bench.train import checkpoint
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.models import FOR_DIGITS
from dig_models import build
from dig_models.samplers import Sampling
from dig_models.vae import VAE_CONFIG


def digits_checkpoint(*, spoiled: float = 0.0) -> Checkpoint:
    """A fresh DiT-N/4, its averages moved so that labels and noise tell in the output."""
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
    checkpoint.save(digits_checkpoint(), tmp_path / "last.safetensors")
    return tmp_path / "last.safetensors"


def run(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["sample", *map(str, arguments), "--device", "cpu"])
    if found.exception and not isinstance(found.exception, SystemExit):
        return 2, str(found.exception)
    return found.exit_code, found.output


def test_it_comes_back_as_it_was(path: Path) -> None:
    saved, loaded = digits_checkpoint(), checkpoint.load(path)
    assert (loaded.model, loaded.data, loaded.step) == ("DiT-N/4", "digits", 7)
    for before, after in ((saved.weights, loaded.weights), (saved.averages, loaded.averages)):
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
    averaged, last = (loaded.build(backend="sdpa", device="cpu", averaged=which) for which in (True, False))
    assert not torch.equal(averaged.final_layer.linear.weight, last.final_layer.linear.weight)  # type: ignore[union-attr, arg-type]


def test_a_broken_network_does_not_take_the_place_of_a_good_one(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"averages\.final_layer\.linear\.bias is not finite at step 7"):
        checkpoint.save(digits_checkpoint(spoiled=float("nan")), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_images_and_grid_are_written(path: Path, tmp_path: Path) -> None:
    options = ["--sampler", "ddim", "--steps", 2, "--classes", "3,5", "--out", tmp_path / "out"]
    code, output = run(path, "--count", 5, "--batch", 2, *options)
    assert code == 0, output
    assert "5 images" in output
    with np.load(tmp_path / "out" / "samples.npz") as arrays:
        assert arrays["arr_0"].shape == (5, 32, 32, 3)
        assert arrays["arr_1"].tolist() == [3, 5, 3, 5, 3]
        assert arrays["arr_0"].std() > 0
    with Image.open(tmp_path / "out" / "grid.png") as grid:
        assert grid.size == (3 * 34 - 2, 2 * 34 - 2)


def test_files_that_cannot_be_written_leave_what_was_there(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "samples.npz").write_bytes(b"before")
    monkeypatch.setattr(np, "savez", full)
    code, output = run(path, "--count", 1, "--sampler", "ddim", "--steps", 1, "--out", tmp_path)
    assert code == 2
    assert output.endswith(f"No space left on device: '{tmp_path / 'samples.npz'}'")
    assert {each.name for each in tmp_path.iterdir()} <= {"samples.npz", path.name}
    assert (tmp_path / "samples.npz").read_bytes() == b"before"


def test_the_first_call_is_no_part_of_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What compiles, is captured or imported in it would make few images slow."""
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


def test_out_of_memory_is_one_line_that_says_what_needs_less(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def starved(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB")

    monkeypatch.setattr(images, "draw", starved)
    code, output = run(path, "--count", 1, "--sampler", "ddim", "--steps", 1, "--out", path.parent / "out")
    assert (code, output) == (2, "the GPU is out of memory: a smaller --batch and --precision bf16 need less of it")


def test_seed_and_guidance_change_the_images_and_the_batch_does_not(path: Path, tmp_path: Path) -> None:
    def images(*options: object) -> np.ndarray:
        code, output = run(path, "--count", 3, "--sampler", "ddim", "--steps", 2, "--out", tmp_path / "out", *options)
        assert code == 0, output
        with np.load(tmp_path / "out" / "samples.npz") as arrays:
            return arrays["arr_0"]

    first = images()
    assert np.abs(images("--batch", 1).astype(int) - first).max() <= 1
    for options in (("--seed", 1), ("--guidance", 3), ("--no-ema",)):
        assert (images(*options) != first).any()


def test_a_backend_that_cannot_run_here_is_named(path: Path) -> None:
    code, output = run(path, "--backend", "flash2")
    assert (code, output) == (2, "DiT-N/4 cannot be drawn from by this backend: flash2: runs on cuda only")


def test_a_process_draws_on_the_gpu_that_its_launcher_gave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[object] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    request = Request(labels=[0], sampling=Sampling(sampler="ddim", steps=1))
    # There is no such GPU here, but by then it is the current one.
    with pytest.raises((RuntimeError, AssertionError)):
        sample(digits_checkpoint(), request, device="cuda")
    assert chosen == [1]


def test_a_published_checkpoint_of_latents_needs_its_vae(tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    network = build("DiT-S/2", image_size=32, backend="sdpa", num_classes=1000)
    torch.save(network.state_dict(), tmp_path / "published.pt")
    options = ["--model", "DiT-S/2", "--res", 32, "--count", 1, "--sampler", "ddim", "--steps", 1]
    options += ["--out", tmp_path / "out"]
    assert "draws latents: name a local folder of their VAE" in run(tmp_path / "published.pt", *options)[1]
    assert "no VAE at" in run(tmp_path / "published.pt", *options, "--vae", tmp_path)[1]
    small = {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1}
    AutoencoderKL(**(VAE_CONFIG | small)).save_pretrained(tmp_path / "vae")
    code, output = run(tmp_path / "published.pt", *options, "--vae", tmp_path / "vae")
    assert code == 0, output
    with np.load(tmp_path / "out" / "samples.npz") as arrays:
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
        (["--count", "99999999999999"], "Invalid value for '--count'"),
        (["--vae", "folder"], "DiT-N/4 draws pixels, and has no use for a VAE"),
        (["--model", "DiT-N/4"], "says itself of which model and resolution it is: leave --model and --res out"),
        (["--res", "64"], "says itself of which model and resolution it is"),
    ],
)
def test_what_cannot_be_drawn_is_named(path: Path, tmp_path: Path, options: list[str], message: str) -> None:
    code, output = run(path, "--out", tmp_path / "out", *options)
    assert code == 2
    assert message in output
    assert not (tmp_path / "out").exists()


def test_files_that_are_no_checkpoints_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoint at"):
        checkpoint.load(tmp_path / "missing.safetensors")
    save_file({"weight": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="no checkpoint of dig-bench: of a published one say --model"):
        checkpoint.load(tmp_path / "foreign.safetensors")
    weights = {name: value.int() for name, value in checkpoint.load(path).weights.items()}
    with pytest.raises(ValueError, match=r"^weights\..* is of torch\.int32, no floating-point numbers"):
        replace(checkpoint.load(path), weights=weights).check()
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="no file of safetensors"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"step": "seven"}, "step is 'seven', not of type int"),
        ({"run": []}, r"run is \[\], not of type Mapping"),
        ({"new": 1}, "new is unknown"),
        ({"model": "DiT-N/5"}, "no model 'DiT-N/5'"),
        ({"model": "DiG-N/4"}, "the parameters do not fit DiG; missing: "),
        ({"num_classes": -1}, "images have one pixel, one class"),
        ({"num_classes": 10**13}, "the parameters do not fit DiT; of another shape: y_embedder"),
        ({"image_size": 10**9}, "Storage size calculation overflowed"),
        (None, "it is nested too deeply"),
    ],
)
def test_a_checkpoint_that_says_something_else_is_named(path: Path, about: dict | None, message: str) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    text = "[" * 100_000 if about is None else json.dumps(json.loads(metadata["about"]) | about)
    save_file(load_file(path), path, metadata=metadata | {"about": text})
    with pytest.raises(ValueError, match=rf"last\.safetensors: {message}"):
        checkpoint.load(path)


def test_tensors_of_something_else_are_named(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    for name, message in (("junk", "junk is unknown"), ("optimizer.exp_avg.x", "exp_avg.x fits no parameter")):
        save_file({**load_file(path), name: torch.zeros(2)}, path.with_name("other"), metadata=metadata)
        with pytest.raises(ValueError, match=rf"other: .*{message}"):
            checkpoint.load(path.with_name("other"), to_go_on=True)


def test_a_published_checkpoint_of_another_model_is_named(path: Path, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "published.pt")
    code, output = run(tmp_path / "published.pt", "--model", "DiT-S/2", "--res", 32)
    assert code == 2
    assert output.startswith(f"{tmp_path / 'published.pt'} as DiT-S/2 of 32 px: the parameters do not fit DiT; missing")


def test_a_published_checkpoint_has_to_be_said_of_which_model_it_is(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "DiT-XL-2.pt")
    code, output = run(tmp_path / "DiT-XL-2.pt")
    assert code == 2
    assert "DiT-XL-2.pt is no file of safetensors: " in output
    assert output.endswith("; of a published one say --model and --res")


def test_a_pipe_is_no_checkpoint(tmp_path: Path) -> None:
    """To open one would wait for somebody who writes into it."""
    os.mkfifo(tmp_path / "last.safetensors")
    assert run(tmp_path / "last.safetensors") == (2, f"no checkpoint at {tmp_path / 'last.safetensors'}")


def test_parameters_of_another_network_are_refused(path: Path) -> None:
    other = replace(checkpoint.load(path), model="DiG-N/4")
    with pytest.raises(ValueError, match="the parameters do not fit DiG"):
        other.build(backend="chunked", device="cpu")
    with pytest.raises(ValueError, match="no model 'DiT-N/5'"):
        replace(other, model="DiT-N/5").build(backend="sdpa", device="cpu")


def test_a_folder_that_cannot_be_is_named_before_anything_is_drawn(path: Path) -> None:
    assert run(path, "--out", path / "below") == (2, f"{path / 'below'}: {path} is a file, not a folder")


def test_an_error_names_some_parameters_and_counts_the_rest(path: Path) -> None:
    with pytest.raises(ValueError, match="and 44 more; unexpected: ") as error:
        replace(checkpoint.load(path), model="DiG-N/4").build(backend="chunked", device="cpu")
    assert len(str(error.value)) < 1000
