"""The demo, shortened: its commands train, draw and score on a CPU, and what is drawn has left the noise behind."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from dig_bench.cli import app

MAKEFILE = Path(__file__).parents[1] / "Makefile"

SHORTER = {"train": ["--steps", "300", "--warmup", "15", "--grid", "20"], "sample": ["--images", "70"], "fid": []}

NOISE = 400
"""FD-digits of a fresh network, which draws noise, is above it."""


def test_a_nano_dig_trains_samples_and_is_scored(tmp_path: Path) -> None:
    (recipe,) = re.findall(r"^demo-train:.*\n((?:\t.*\n)+)", MAKEFILE.read_text(), re.MULTILINE)
    commands = [shlex.split(line.replace("demo-results/digits", str(tmp_path))) for line in recipe.splitlines()]
    assert [command[1] for command in commands] == list(SHORTER)
    for _, name, *arguments in commands:
        found = CliRunner().invoke(app, [name, *arguments, *SHORTER[name]])
        assert found.exit_code == 0, found.output
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["metric"] == "FD-digits"
    assert scores["distance"] < 0.8 * NOISE
    written = {path.name for path in tmp_path.iterdir()}
    assert written >= {"last.safetensors", "samples.png", "tensorboard", "samples.npz", "grid.png"}
