"""`dig-bench train`: what it writes, how it resumes, several processes, wrong options."""

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

pytest.importorskip("accelerate")
pytest.importorskip("diffusers")
pytest.importorskip("tensorboard")

import two_processes
from dig_bench.files.lock import alone_in
from dig_bench.sample.run import Request
from dig_bench.train import checkpoint_file
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.loop import Trainer
from dig_bench.train.progress import Progress
from dig_bench.train.watch import watching
from dig_models import build
from harness import run_command
from training import save_tiny_vae

TINY = ["DiT-N/4", "--batch", "4", "--device", "cpu", "--workers", "0"]
OF_TWO = ["--steps", "6", "--save-every", "3", "--report-every", "2", "--grid", "1"]
"""Options of the run that two processes share."""


def run(*arguments: object) -> tuple[int, str]:
    ran = run_command("train", *arguments)
    return ran.code, ran.said


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Runs `two_processes.py` with torchrun. Returns the folder of `dig-bench train`, and what was printed."""
    folder = tmp_path_factory.mktemp("two")
    script = [two_processes.__file__, str(folder), *map(str, [*TINY, *OF_TWO])]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *script]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(launch, env=environment, **pipes) as process:
        try:
            output, errors = process.communicate(timeout=120)
        finally:
            # torchrun ends its processes.
            process.terminate()
    assert process.returncode == 0, errors
    return folder / "train", output


def scalars(folder: Path, name: str = "loss") -> dict[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return {event.step: event.value for event in events.Scalars(name)}


def grids(folder: Path) -> list[int]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [event.step for event in events.Images("images")]


def test_it_writes_a_checkpoint_scalars_and_grids(tmp_path: Path) -> None:
    code, output = run(*TINY, "--steps", 4, "--save-every", 2, "--report-every", 1, "--grid", 4, "--out", tmp_path)
    assert code == 0, output
    assert "step 4/4  loss " in output
    assert checkpoint_file.load(tmp_path / "last.safetensors").step == 4
    assert list(scalars(tmp_path)) == [1, 2, 3, 4]
    assert set(scalars(tmp_path, "images per s")) == {1, 2, 3, 4}
    assert grids(tmp_path) == [2, 4]
    with Image.open(tmp_path / "last.png") as grid:
        assert grid.size == (2 * 34 - 2, 2 * 34 - 2)
    code, output = run(*TINY, "--steps", 4, "--out", tmp_path)
    assert code == 0
    assert "already has 4 steps" in output


def test_a_resumed_run_generates_the_missing_grid(tmp_path: Path) -> None:
    options = [*TINY, "--save-every", 2, "--out", tmp_path]
    assert run(*options, "--steps", 2, "--grid", 0)[0] == 0
    assert run(*options, "--steps", 4, "--grid", 4)[0] == 0
    assert grids(tmp_path) == [2, 4]
    assert run(*options, "--steps", 6, "--grid", 4)[0] == 0
    assert grids(tmp_path) == [2, 4, 6]
    # The grid of the last step, too, if there is an older one.
    assert run(*options, "--steps", 8, "--grid", 0)[0] == 0
    assert run(*options, "--steps", 8, "--grid", 4)[0] == 0
    assert grids(tmp_path) == [2, 4, 6, 8]
    assert "already has 8 steps" in run(*options, "--steps", 8, "--grid", 4)[1]


@pytest.mark.parametrize(("terminal", "lines"), [("dumb", ["step 2/4", "step 4/4"]), ("xterm", [])])
def test_a_terminal_without_a_bar_shows_lines(tmp_path: Path, terminal: str, lines: list[str]) -> None:
    to = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": terminal})
    with watching(to, tmp_path, step=0, steps=4, is_main=True) as watch:
        assert watch is not None
        for step in (2, 4):
            watch.show(Progress(step=step, losses=(0.5,), gradient_norm=1.0, images_per_s=9.0, saved=False))
    assert [line.split("  ")[0] for line in to.file.getvalue().splitlines() if line.startswith("step")] == lines


def test_grids_are_generated_in_the_precision_of_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some backends, such as DiT's default on a GPU, support half precision only."""
    asked: list[Request] = []

    def noted(checkpoint: Checkpoint, request: Request, *, device: str) -> None:
        asked.append(request)

    monkeypatch.setattr("dig_bench.sample.preview.sample", noted)
    code, output = run(*TINY, "--steps", 1, "--precision", "bf16", "--grid", 4, "--out", tmp_path)
    assert code == 0, output
    assert [request.precision for request in asked] == ["bf16"]


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        code, output = run(*TINY, "--steps", 1, "--out", tmp_path)
    assert (code, output) == (2, f"{tmp_path} is being written by process {os.getpid()}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux, to see what is mapped")
def test_a_resumed_run_unmaps_the_file_that_it_will_replace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapped file would keep its disk space after it is replaced."""
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


def test_a_killed_and_resumed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
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
    stopped_at = checkpoint_file.load(killed / "last.safetensors").step
    assert 0 < stopped_at < 60
    code, output = run(*options, killed)
    assert code == 0, output
    first, second = (
        checkpoint_file.load(folder / "last.safetensors", with_optimizer=True) for folder in (whole, killed)
    )
    for kind in checkpoint_file.KINDS:
        for name, value in getattr(first, kind).items():
            assert torch.equal(value, getattr(second, kind)[name]), f"{kind}.{name}"
    assert scalars(killed) == scalars(whole)


def test_two_processes_have_the_losses_of_one(two: tuple[Path, str], tmp_path: Path) -> None:
    folder, output = two
    code, message = run(*TINY, *OF_TWO, "--out", tmp_path)
    assert code == 0, message
    assert output.count("last.safetensors") == 1
    found, expected = scalars(folder), scalars(tmp_path)
    assert list(found) == list(expected) == [1, 2, 3, 4, 5, 6]
    assert list(found.values()) == pytest.approx(list(expected.values()), rel=1e-5)
    assert grids(folder) == [3, 6]
    assert len(list((folder / "tensorboard").iterdir())) == 1
    # A single process resumes the run of two.
    code, message = run(*TINY, *OF_TWO, "--out", folder, "--steps", 8)
    assert code == 0, message
    assert checkpoint_file.load(folder / "last.safetensors").step == 8


def test_shards_of_two_processes_have_the_losses_of_one(two: tuple[Path, str], tmp_path: Path) -> None:
    for precision, losses in json.loads(two[1].splitlines()[0]).items():
        tolerance = {"fp32": 1e-5, "bf16": 1e-3}[precision]
        assert losses == pytest.approx(two_processes.losses(tmp_path, precision), rel=tolerance)


def test_it_trains_on_latents_from_a_published_checkpoint(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        levels = random.integers(0, 256, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(levels).save(tmp_path / "photos" / name / "0.png")
    vae = ["--vae", save_tiny_vae(tmp_path / "vae")]
    encoding = ["encode", tmp_path / "photos", *vae, "--out", tmp_path / "latents", "--res", 16]
    assert run_command(*encoding, "--device", "cpu").code == 0
    network = build("DiT-S/2", image_size=256, backend="sdpa", num_classes=2)
    torch.save({"ema": network.state_dict()}, tmp_path / "published.pt")
    options = ["DiT-S/2", "--data", tmp_path / "latents", "--batch", 2, "--out", tmp_path / "run", "--device", "cpu"]
    options += ["--init", tmp_path / "published.pt", "--steps", 1, "--grid", 1]
    code, output = run(*options, *vae)
    assert code == 0, output
    found = checkpoint_file.load(tmp_path / "run" / "last.safetensors")
    assert (found.model, found.data, found.image_size, found.num_classes) == ("DiT-S/2", "latents", 16, 2)
    bias = "blocks.0.attn.qkv.weight"
    # AdamW moves a weight by at most 1e-4, and its average by a ten-thousandth of that, 1e-8.
    torch.testing.assert_close(found.averages[bias], network.state_dict()[bias], atol=2e-8, rtol=0)
    with Image.open(tmp_path / "run" / "last.png") as grid:
        assert grid.size == (16, 16)


def test_it_trains_on_images_in_pixels(tmp_path: Path) -> None:
    (tmp_path / "photos" / "one").mkdir(parents=True)
    Image.new("RGB", (20, 30), "red").save(tmp_path / "photos" / "one" / "0.png")
    options = [*TINY, "--data", tmp_path / "photos", "--res", 16, "--steps", 1, "--grid", 1, "--out", tmp_path / "run"]
    code, output = run(*options)
    assert code == 0, output
    with Image.open(tmp_path / "run" / "last.png") as grid:
        assert (grid.size, grid.mode) == ((16, 16), "RGB")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["DiG-Q/4"], "no model 'DiG-Q/4'"),
        (["DiG-N/4@fused"], "cannot train here: fused"),
        (["DiG-S/2"], "DiG-S/2 takes latents, but digits has images"),
        (["--data", "nowhere", "--res", "32"], "no folder at nowhere"),
        (["--data", "empty", "--res", "32"], "empty is empty: put images in one folder per class"),
        (["--data", "empty"], "set --res to the size in pixels"),
        (["--res", "64"], "digits has images of 32 px, not 64"),
        (["--precision", "fp8"], "precision of a training is fp32, tf32, bf16, not 'fp8'"),
        (["--steps", "0"], "steps must be positive and finite, not 0"),
        (["--init", "nowhere.pt"], "no checkpoint at nowhere.pt"),
        (["--init", "broken.pt"], "broken.pt is not a checkpoint of plain tensors"),
        (["--batch", "5", "--accumulate", "2"], "a batch of 5 images cannot be divided evenly"),
        (["--vae", "nowhere"], "DiG-N/4 generates pixels and needs no --vae"),
        (["--out", "broken.pt/run"], "broken.pt"),
        (["--out", os.fsdecode(b"r\xff")], "a path in UTF-8"),
    ],
)
def test_wrong_options_are_named(
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
    assert "the loss is not finite at step 2, no checkpoint was saved" in output
    assert not (tmp_path / "last.safetensors").exists()


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # By its name, since `dig_bench.cli.app` is also the application inside that module.
    monkeypatch.setattr(
        sys.modules["dig_bench.cli.app"], "find_spec", lambda name: None if name == "accelerate" else object()
    )
    assert run(*TINY) == (2, "training needs accelerate: pip install 'dig-bench[train]'")
