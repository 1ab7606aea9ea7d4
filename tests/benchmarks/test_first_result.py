"""benchmarks/kernels/first_result.py on a CPU: one process per occasion, and one table."""

import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kernels" / "first_result.py"


def test_each_occasion_is_a_separate_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    out = tmp_path / "first.csv"
    arguments = ["--models", "DiG-S/8@chunked", "--res", "64", "--modes", "train", "--device", "cpu"]
    arguments += ["--output", str(out)]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    table = pd.read_csv(out)
    assert list(table["occasion"]) == ["bare machine", "next process"]
    assert (table["first_call_s"] > 0).all()
    assert (table["first_call_s"] < table["process_s"]).all()
