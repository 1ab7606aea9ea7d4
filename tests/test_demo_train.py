"""The commands of `make demo-train`, shortened: the images that they generate are better than noise."""

import json
import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from harness import run_command

MAKEFILE = Path(__file__).parents[1] / "Makefile"

SHORTER = {
    "train": ["--steps", "200", "--warmup", "10", "--batch", "4", "--ema-decay", "0.95", "--grid", "4"],
    "sample": ["--images", "65", "--sampler-steps", "10"],
    "fid": [],
}

NOISE = 400
"""Lower bound of the FD-digits of an untrained network, which generates noise."""


def test_a_nano_dig_trains_and_its_images_are_scored(tmp_path: Path) -> None:
    (recipe,) = re.findall(r"^demo-train:.*\n((?:\t.*\n)+)", MAKEFILE.read_text(), re.MULTILINE)
    commands = [shlex.split(line.replace("demo-results/digits", str(tmp_path))) for line in recipe.splitlines()]
    assert [command[1] for command in commands] == list(SHORTER)
    for _, name, *arguments in commands:
        ran = run_command(name, *arguments, *SHORTER[name])
        assert ran.code == 0, ran.said
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["metric"] == "FD-digits"
    assert scores["distance"] < 0.8 * NOISE
    written = {path.name for path in tmp_path.iterdir()}
    assert written >= {"last.safetensors", "last.png", "tensorboard", "images.npz", "grid.png"}
