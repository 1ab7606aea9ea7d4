"""The demo, shortened: it trains, samples and scores on a CPU, and what it draws has left the noise behind."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("diffusers")

EXAMPLE = Path(__file__).parents[1] / "examples" / "digits.py"

STEPS = 300


def test_a_nano_dig_trains_samples_and_is_scored(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("digits_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    found = example.run(tmp_path, steps=STEPS, samples=70)
    assert found.metric == "FD-digits"
    assert found.distance < 330
    assert {path.name for path in tmp_path.iterdir()} == {"last.safetensors", "samples.npz", "grid.png", "scores.json"}
