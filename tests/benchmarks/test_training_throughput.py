"""benchmarks/training/throughput.py on a CPU."""

import gc
import json
import runpy
import sys
import weakref
from pathlib import Path

import pytest

pytest.importorskip("accelerate")

from dig_bench.train.loop import Trainer

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "training" / "throughput.py"


def run_script(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_the_last_models_tensors_are_freed_and_two_files_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[weakref.ref[Trainer]] = []
    alive: list[int] = []
    init = Trainer.__init__

    def noted(self: Trainer, *args: object, **options: object) -> None:
        alive.append(sum(each() is not None for each in made))
        made.append(weakref.ref(self))
        init(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "__init__", noted)
    out = tmp_path / "one.json"
    arguments = ["--res", 64, "--batch", 2, "--steps", 2, "--report-every", 1, "--precision", "fp32"]
    gc.disable()
    try:
        run_script(
            monkeypatch, *arguments, "--device", "cpu", "--models", "DiT-S/2@sdpa,DiG-S/2@chunked", "--output", out
        )
    finally:
        gc.enable()
    assert alive == [0, 0]
    found = json.loads(out.read_text())
    assert [row["name"] for row in found["rows"]] == ["DiT-S/2@sdpa", "DiG-S/2@chunked"]
    assert all(len(row["losses"]) == 2 for row in found["rows"])
    run_script(monkeypatch, "--compare", out, out)
    assert "DiT-S/2@sdpa: 1.00 times the images/s with 1 times the processes" in capsys.readouterr().out


def test_a_failure_keeps_the_models_measured_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "one.json"
    arguments = ["--res", 64, "--batch", 2, "--steps", 1, "--precision", "fp32", "--device", "cpu", "--output", out]
    with pytest.raises(ValueError, match="DiG-S/2 has no backend"):
        run_script(monkeypatch, *arguments, "--models", "DiT-S/2@sdpa,DiG-S/2@sdpa")
    assert [row["name"] for row in json.loads(out.read_text())["rows"]] == ["DiT-S/2@sdpa"]
