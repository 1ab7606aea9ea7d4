"""`dig-bench compare` of two folders: exit codes, files, and faults planted into real sweeps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dig_bench.cell import Row
from harness import Run
from planted_backbones import BREAKS, DELETED, EXHAUSTS, GROWS, SOUND
from report_rows import row, write_results

PLUGIN = str(Path(__file__).parents[2] / "support" / "planted_backbones.py")
SWEEP = ["sweep", "--device", "cpu", "--plugin", PLUGIN, "--models", "Planted-S/1@planted", "--res", "32"]
BATCHES = ["--batch", "1,3,4,5,6", "--no-figures"]
FAST = ["--min-samples", "6", "--max-samples", "6", "--warmup-seconds", "0", "--max-seconds", "1", "--quiet"]


def rows_of_processes(*spread: float, slower: float = 1.0) -> list[Row]:
    found = [replace(row("DiG-S/2@fla", 256), process=process) for process in range(1, len(spread) + 1)]
    return [
        replace(each, latency_ms_median=(each.latency_ms_median or 0) * factor * slower)
        for each, factor in zip(found, spread, strict=True)
    ]


CALM = (0.999, 1.0, 1.001)

CASES = {
    "the same": (rows_of_processes(*CALM), [], 0),
    "slower": (rows_of_processes(*CALM, slower=1.05), [], 1),
    "slower, but not by more than allowed": (rows_of_processes(*CALM, slower=1.05), ["--slower-than", "10%"], 0),
    "slower, but allowed for these cells": (
        rows_of_processes(*CALM, slower=1.05),
        ["--threshold", "DiG-*:latency=10%"],
        0,
    ),
    "missing": ([], [], 1),
    "too few processes": (rows_of_processes(1.0, 1.0), [], 3),
    "too few processes for time, enough for memory": (rows_of_processes(1.0), ["--metrics", "memory"], 0),
    "another device": ([replace(each, device_name="another") for each in rows_of_processes(*CALM)], [], 4),
    "another device, allowed": (
        [replace(each, device_name="another") for each in rows_of_processes(*CALM)],
        ["--allow-different-environments"],
        0,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_exit_codes(case: str, tmp_path: Path, dig_bench: Run) -> None:
    candidate, options, code = CASES[case]
    write_results(tmp_path / "base", rows_of_processes(*CALM))
    write_results(tmp_path / "candidate", candidate)
    ran = dig_bench("compare", "base", "candidate", *options)
    assert ran.code == code, ran.out
    assert ran.err == ""
    assert dig_bench("compare", "base/rows.csv", "candidate/rows.csv", *options).code == code


def test_a_base_without_values_has_its_own_exit_code(tmp_path: Path, dig_bench: Run) -> None:
    write_results(tmp_path / "base", [])
    write_results(tmp_path / "candidate", rows_of_processes(*CALM))
    assert dig_bench("compare", "base", "candidate").code == 5


def test_the_help_documents_every_exit_code(dig_bench: Run) -> None:
    text = " ".join(dig_bench("compare", "--help").out.replace("│", " ").split())
    assert "Exit codes: 0 no regression; 1 a regression" in text
    for code in ("2 usage error", "3 no regression, but", "4 the conditions differ", "5 the base has no value"):
        assert code in text


WRONG = {
    "no such folder": (["nowhere", "base"], "nowhere"),
    "no candidate": (["base"], "BASE and CANDIDATE"),
    "threshold without a metric": (["base", "base", "--threshold", "5%"], "[CELLS:]METRIC=VALUE"),
    "threshold of no metric": (["base", "base", "--threshold", "speed=5%"], "choices are latency"),
    "no percentage": (["base", "base", "--slower-than", "two"], "2%, 5ms"),
    "unknown metric": (["base", "base", "--metrics", "speed"], "choices are latency"),
    "no confidence": (["base", "base", "--confidence", "95"], "between 0 and 1"),
    "no format": (["base", "base", "--output", "compare.pdf"], ".md, .xml, .json, .html"),
    "no calibration": (["base", "base", "--calibration", "nowhere.json"], "nowhere.json"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_usage_error_gets_one_line_and_exit_code_2(case: str, tmp_path: Path, dig_bench: Run) -> None:
    arguments, complaint = WRONG[case]
    write_results(tmp_path / "base", rows_of_processes(*CALM))
    ran = dig_bench("compare", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert complaint in ran.err


def test_outputs_are_written_and_listed_even_after_a_regression(
    tmp_path: Path, dig_bench: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_results(tmp_path / "base", rows_of_processes(*CALM))
    write_results(tmp_path / "candidate", rows_of_processes(*CALM, slower=1.05))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    names = [f"compare.{suffix}" for suffix in ("md", "xml", "json", "html")]
    ran = dig_bench("compare", "base", "candidate", *(part for name in names for part in ("--output", name)))
    assert ran.code == 1
    assert ran.out.splitlines()[-4:] == names
    for name in [*names, "summary.md"]:
        assert "DiG-S/2" in (tmp_path / name).read_text(encoding="utf-8")


def test_faults_planted_into_a_sweep_are_each_caught(
    tmp_path: Path, dig_bench: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that grew by 64 MiB, a cell that runs out of memory, an output of NaN, and a row that was deleted."""
    assert dig_bench(*SWEEP, *BATCHES, *FAST, "--out", "base").code == 0
    monkeypatch.setenv("PLANTED", "1")
    assert dig_bench(*SWEEP, *BATCHES, *FAST, "--out", "candidate").code == 1
    rows = (tmp_path / "candidate" / "rows.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in rows if not line.startswith(f"Planted-S/1,planted,32,{DELETED},")]
    assert len(kept) == len(rows) - 1
    (tmp_path / "candidate" / "rows.csv").write_text("".join(kept), encoding="utf-8")

    ran = dig_bench("compare", "base", "candidate", "--metrics", "memory", "--output", "compare.json")
    assert ran.code == 1
    cells = json.loads((tmp_path / "compare.json").read_text(encoding="utf-8"))["cells"]
    found = {cell["cell"]["batch_size"]: (cell["state"], cell["candidate_status"], cell["verdict"]) for cell in cells}
    assert found.pop(GROWS) in [("compared", status, "slower") for status in ("ok", "noisy")]
    assert found.pop(SOUND) in [("compared", status, "same") for status in ("ok", "noisy")]
    assert found == {
        EXHAUSTS: ("failed", "oom", "slower"),
        BREAKS: ("failed", "mismatch", "slower"),
        DELETED: ("missing", "missing", "slower"),
    }
    assert "MORE MEMORY" in ran.out
