"""`dig-bench train`: what it writes, what a kill and a second process change, how it refuses."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

pytest.importorskip("accelerate")
pytest.importorskip("diffusers")
pytest.importorskip("tensorboard")

from dig_bench.cli import app
from dig_bench.files.lock import alone_in
from dig_bench.sample.run import Request
from dig_bench.train import checkpoint
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.loop import Progress, Trainer
from dig_bench.train.watch import watching
from dig_models import build
from dig_models.vae import VAE_CONFIG

TINY = ["DiT-N/4", "--batch", "4", "--device", "cpu", "--workers", "0"]


def run(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["train", *map(str, arguments)])
    if found.exception and not isinstance(found.exception, SystemExit):
        return 2, str(found.exception)
    return found.exit_code, found.output


def by_two(*arguments: str) -> str:
    """What two processes print that torchrun starts. None of them outlives a test that has waited for too long."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(launch, env=environment, **pipes) as process:
        try:
            output, errors = process.communicate(timeout=120)
        finally:
            # It ends those that it has started.
            process.terminate()
    assert process.returncode == 0, errors
    return output


def scalars(folder: Path, name: str = "loss") -> dict[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return {event.step: event.value for event in events.Scalars(name)}


def images(folder: Path) -> list[int]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [event.step for event in events.Images("samples")]


def test_it_leaves_a_checkpoint_scalars_and_grids(tmp_path: Path) -> None:
    code, output = run(*TINY, "--steps", 4, "--save-every", 2, "--report-every", 1, "--grid", 4, "--out", tmp_path)
    assert code == 0, output
    assert "step 4/4  loss " in output
    assert checkpoint.load(tmp_path / "last.safetensors").step == 4
    assert list(scalars(tmp_path)) == [1, 2, 3, 4]
    assert set(scalars(tmp_path, "images per s")) == {1, 2, 3, 4}
    assert images(tmp_path) == [2, 4]
    with Image.open(tmp_path / "samples.png") as grid:
        assert grid.size == (2 * 34 - 2, 2 * 34 - 2)
    code, output = run(*TINY, "--steps", 4, "--out", tmp_path)
    assert code == 0
    assert "has 4 steps already" in output


def test_a_grid_that_a_kill_prevented_is_drawn_by_the_run_that_goes_on(tmp_path: Path) -> None:
    options = [*TINY, "--save-every", 2, "--out", tmp_path]
    assert run(*options, "--steps", 2, "--grid", 0)[0] == 0
    assert run(*options, "--steps", 4, "--grid", 4)[0] == 0
    assert images(tmp_path) == [2, 4]
    assert run(*options, "--steps", 6, "--grid", 4)[0] == 0
    assert images(tmp_path) == [2, 4, 6]
    # Of the last step, too; an older one is there.
    assert run(*options, "--steps", 8, "--grid", 0)[0] == 0
    assert run(*options, "--steps", 8, "--grid", 4)[0] == 0
    assert images(tmp_path) == [2, 4, 6, 8]
    assert "has 8 steps already" in run(*options, "--steps", 8, "--grid", 4)[1]


@pytest.mark.parametrize(("terminal", "lines"), [("dumb", ["step 2/4", "step 4/4"]), ("xterm", [])])
def test_where_no_bar_can_be_drawn_there_are_lines(tmp_path: Path, terminal: str, lines: list[str]) -> None:
    to = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": terminal})
    with watching(to, tmp_path, step=0, steps=4, is_main=True) as watch:
        assert watch is not None
        for step in (2, 4):
            watch.show(Progress(step=step, losses=(0.5,), gradient_norm=1.0, images_per_s=9.0, saved=False))
    assert [line.split("  ")[0] for line in to.file.getvalue().splitlines() if line.startswith("step")] == lines


def test_grids_are_drawn_in_the_precision_of_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend for half precision, as DiT's on a GPU, draws in no other."""
    asked: list[Request] = []

    def noted(checkpoint: Checkpoint, request: Request, *, device: str) -> None:
        asked.append(request)

    monkeypatch.setattr("dig_bench.sample.run.sample", noted)
    code, output = run(*TINY, "--steps", 1, "--precision", "bf16", "--grid", 4, "--out", tmp_path)
    assert code == 0, output
    assert [request.precision for request in asked] == ["bf16"]


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        code, output = run(*TINY, "--steps", 1, "--out", tmp_path)
    assert (code, output) == (2, f"{tmp_path} is being written by process {os.getpid()}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux, to see what is mapped")
def test_a_run_that_goes_on_lets_go_of_the_file_that_it_will_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else there has to be room for three on the disk: the old one, the one that replaced it, and the next."""
    mapped: list[bool] = []
    save = Trainer.save

    def noted(self: Trainer, path: Path) -> None:
        mapped.append(str(path) in Path("/proc/self/maps").read_text())
        save(self, path)

    options = [*TINY, "--save-every", 1, "--grid", 0, "--out", tmp_path]
    assert run(*options, "--steps", 1)[0] == 0
    monkeypatch.setattr(Trainer, "save", noted)
    assert run(*options, "--steps", 3)[0] == 0
    assert mapped == [False, False]


def test_a_batch_beyond_all_memory_is_one_line(tmp_path: Path) -> None:
    code, output = run("DiT-N/4", "--device", "cpu", "--batch", 10**12, "--out", tmp_path / "runs" / "mine")
    assert code == 2
    assert output.startswith("this machine is out of memory: a smaller --batch, ")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_killed_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = [*TINY, "--steps", "60", "--save-every", "7", "--report-every", "1", "--grid", "0", "--out"]
    code, output = run(*options, whole)
    assert code == 0, output
    process = subprocess.Popen([sys.executable, "-m", "dig_bench", "train", *options, str(killed)])
    deadline = time.monotonic() + 60
    while not (killed / "last.safetensors").exists():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stopped_at = checkpoint.load(killed / "last.safetensors").step
    assert 0 < stopped_at < 60
    code, output = run(*options, killed)
    assert code == 0, output
    first, second = (checkpoint.load(folder / "last.safetensors", to_go_on=True) for folder in (whole, killed))
    for kind in checkpoint.KINDS:
        for name, value in getattr(first, kind).items():
            assert torch.equal(value, getattr(second, kind)[name]), f"{kind}.{name}"
    assert scalars(killed) == scalars(whole)


def test_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    options = [*TINY, "--steps", "6", "--save-every", "3", "--report-every", "2", "--grid", "1", "--out"]
    code, output = run(*options, tmp_path / "one")
    assert code == 0, output
    output = by_two("-m", "dig_bench", "train", *options, str(tmp_path / "two"))
    assert output.count("last.safetensors") == 1
    one, two = scalars(tmp_path / "one"), scalars(tmp_path / "two")
    assert list(two) == list(one) == [1, 2, 3, 4, 5, 6]
    assert list(two.values()) == pytest.approx(list(one.values()), rel=1e-5)
    assert images(tmp_path / "two") == [3, 6]
    assert len(list((tmp_path / "two" / "tensorboard").iterdir())) == 1
    # The single process goes on where the two have stopped, and the other way round.
    code, output = run(*options, tmp_path / "two", "--steps", 8)
    assert code == 0, output
    assert checkpoint.load(tmp_path / "two" / "last.safetensors").step == 8


def test_shards_of_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    import sharded_training

    (tmp_path / "two").mkdir()
    output = by_two(sharded_training.__file__, str(tmp_path / "two"))
    for precision, losses in json.loads(output).items():
        tolerance = {"fp32": 1e-5, "bf16": 1e-3}[precision]
        assert losses == pytest.approx(sharded_training.losses(tmp_path, precision), rel=tolerance)


def test_latents_and_a_published_checkpoint(tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        levels = random.integers(0, 256, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(levels).save(tmp_path / "photos" / name / "0.png")
    small = {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1}
    AutoencoderKL(**(VAE_CONFIG | small)).save_pretrained(tmp_path / "vae")
    vae = ["--vae", str(tmp_path / "vae")]
    encoding = ["encode", str(tmp_path / "photos"), *vae, "--out", str(tmp_path / "latents"), "--res", "16"]
    assert CliRunner().invoke(app, [*encoding, "--device", "cpu"]).exit_code == 0
    network = build("DiT-S/2", image_size=256, backend="sdpa", num_classes=2)
    torch.save({"ema": network.state_dict()}, tmp_path / "published.pt")
    options = ["DiT-S/2", "--data", tmp_path / "latents", "--batch", 2, "--out", tmp_path / "run", "--device", "cpu"]
    options += ["--init", tmp_path / "published.pt", "--steps", 1, "--grid", 1]
    code, output = run(*options, *vae)
    assert code == 0, output
    found = checkpoint.load(tmp_path / "run" / "last.safetensors")
    assert (found.model, found.data, found.image_size, found.num_classes) == ("DiT-S/2", "latents", 16, 2)
    bias = "blocks.0.attn.qkv.weight"
    # The averages have moved by a ten-thousandth of a step of AdamW, 1e-4, that is by 1e-8 at most.
    torch.testing.assert_close(found.averages[bias], network.state_dict()[bias], atol=2e-8, rtol=0)
    with Image.open(tmp_path / "run" / "samples.png") as grid:
        assert grid.size == (16, 16)


def test_images_in_pixels(tmp_path: Path) -> None:
    (tmp_path / "photos" / "one").mkdir(parents=True)
    Image.new("RGB", (20, 30), "red").save(tmp_path / "photos" / "one" / "0.png")
    options = [*TINY, "--data", tmp_path / "photos", "--res", 16, "--steps", 1, "--grid", 1, "--out", tmp_path / "run"]
    code, output = run(*options)
    assert code == 0, output
    with Image.open(tmp_path / "run" / "samples.png") as grid:
        assert (grid.size, grid.mode) == ((16, 16), "RGB")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["DiG-Q/4"], "no model 'DiG-Q/4'"),
        (["DiG-N/4@fused"], "cannot be trained here: fused"),
        (["DiG-S/2"], "DiG-S/2 is for latents, and digits has images"),
        (["--data", "nowhere", "--res", "32"], "no folder at nowhere"),
        (["--data", "empty", "--res", "32"], "empty is empty: images lie in one folder a class"),
        (["--data", "empty"], "say by --res to how many pixels"),
        (["--res", "64"], "digits has images of 32 px, not 64"),
        (["--precision", "fp8"], "training is in fp32, tf32, bf16, not 'fp8'"),
        (["--steps", "0"], "steps is positive, not 0"),
        (["--init", "nowhere.pt"], "no checkpoint at nowhere.pt"),
        (["--init", "broken.pt"], "broken.pt is no checkpoint of plain tensors"),
        (["--batch", "5", "--accumulate", "2"], "a batch of 5 images is not shared evenly"),
        (["--vae", "nowhere"], "DiG-N/4 draws pixels, and has no use for a VAE"),
        (["--out", "broken.pt/run"], "broken.pt"),
        (["--out", os.fsdecode(b"r\xff")], "not UTF-8"),
    ],
)
def test_what_cannot_be_trained_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("broken.pt").write_bytes(b"no checkpoint")
    code, output = run(*options, "--device", "cpu")
    assert code == 2
    assert message in output
    assert "\n" not in output.strip()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.pt", "empty"]


def test_a_loss_that_is_not_finite_is_one_line(tmp_path: Path) -> None:
    options = [*TINY, "--steps", 40, "--learning-rate", 1e30, "--warmup", 0, "--out", tmp_path, "--report-every", 1]
    code, output = run(*options)
    assert code == 2
    assert "the loss is not finite at step 2: nothing is saved" in output
    assert not (tmp_path / "last.safetensors").exists()


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # By its name: `dig_bench.cli.app` is the application within the module of that name, too.
    monkeypatch.setattr(
        sys.modules["dig_bench.cli.app"], "find_spec", lambda name: None if name == "accelerate" else object()
    )
    assert run(*TINY) == (2, "training needs accelerate: pip install 'dig-bench[train]'")
