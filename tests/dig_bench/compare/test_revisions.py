"""`dig-bench compare --base REV`: two revisions of a fake suite, measured in turn."""

import json
from pathlib import Path

import pandas as pd
import pytest

import fake_suite
from dig_bench.compare import worktree
from dig_bench.compare.calibration import Calibration, Noise
from dig_bench.compare.evidence import read_evidence
from dig_bench.results.manifest import read_manifest
from harness import Run

CELLS = ["--device", "cpu", "--models", "DiG-S/2@chunked", "--res", "256", "--out", "out"]
QUIET = ["--quiet", "--metrics", "latency"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository that the code seems to run from; its tags name the latency."""
    root = tmp_path / "repository"
    for latency_ms in (10.0, 11.0):
        fake_suite.write(root, latency_ms=latency_ms)
        fake_suite.commit(root, f"{latency_ms:g}ms")
    monkeypatch.setattr(worktree, "OURS", root)
    return root


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv(fake_suite.LOG, str(path))
    return path


@pytest.fixture
def dig_bench(dig_bench: Run, repository: Path, log: Path) -> Run:
    return dig_bench


def test_a_slower_candidate_is_red_by_fresh_processes_in_turn(
    tmp_path: Path, dig_bench: Run, repository: Path, log: Path
) -> None:
    ran = dig_bench("compare", "--base", "10ms", "--candidate", "11ms", *CELLS, *QUIET, "--output", "compare.json")
    assert ran.code == 1, ran.err
    turns = {number: ("10", "11") if number % 2 else ("11", "10") for number in range(1, 6)}
    in_turn = [f"{latency_ms} process {number}" for number, sides in turns.items() for latency_ms in sides]
    assert log.read_text().splitlines() == in_turn * 2
    folders = ["out/base", "out/candidate", "out/confirmation/base", "out/confirmation/candidate"]
    assert ran.out.splitlines()[-5:] == [*folders, "compare.json"]
    for folder in folders:
        assert len(read_evidence(tmp_path / folder).measured) == 5
    (cell,) = json.loads((tmp_path / "compare.json").read_text())["cells"]
    assert cell["verdict"] == "slower"
    assert "base:      10ms" in ran.out


def test_each_side_says_which_code_it_is_and_can_be_reported(tmp_path: Path, dig_bench: Run, repository: Path) -> None:
    assert dig_bench("compare", "--base", "10ms", "--candidate", "11ms", *CELLS, *QUIET).code == 1
    for side, tag in (("base", "10ms"), ("candidate", "11ms")):
        manifest = read_manifest(tmp_path / "out" / side)
        assert manifest["environment"]["git_revision"] == fake_suite.git(repository, "rev-parse", tag)
        assert manifest["environment"]["git_dirty"] is False
        assert manifest["environment"]["dig_bench"] == "0.0.7"
        assert manifest["finished_at"]
    assert dig_bench("report", "out/base", "--out", "pages").code == 0


def test_identical_code_is_fine_and_reported_as_identical(dig_bench: Run, log: Path) -> None:
    ran = dig_bench("compare", "--base", "11ms", *CELLS, "--metrics", "latency")
    assert ran.code == 0
    assert "are the same code: any difference is noise" in ran.out
    assert len(log.read_text().splitlines()) == 10


def test_the_working_tree_is_measured_as_it_is_now(tmp_path: Path, dig_bench: Run, repository: Path, log: Path) -> None:
    fake_suite.write(repository, latency_ms=12.0)
    assert dig_bench("compare", "--base", "10ms", *CELLS, *QUIET).code == 1
    assert log.read_text().splitlines()[1] == "12 process 1"
    environment = read_manifest(tmp_path / "out" / "candidate")["environment"]
    assert environment["git_dirty"] is True
    assert environment["git_revision"] == fake_suite.git(repository, "rev-parse", "11ms")


def test_a_faster_candidate_needs_no_confirmation(tmp_path: Path, dig_bench: Run) -> None:
    assert dig_bench("compare", "--base", "11ms", "--candidate", "10ms", *CELLS, *QUIET).code == 0
    assert not (tmp_path / "out" / "confirmation").exists()


def test_the_same_command_resumes_after_a_kill(tmp_path: Path, dig_bench: Run, log: Path) -> None:
    command = ["compare", "--base", "10ms", "--candidate", "11ms", *CELLS, *QUIET]
    assert dig_bench(*command).code == 1
    for folder, kept in (("out/candidate", 5), ("out/confirmation/base", 4)):
        rows = tmp_path / folder / "rows.csv"
        rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:kept]))
    log.write_text("")
    assert dig_bench(*command).code == 1
    assert sorted(log.read_text().splitlines()) == ["10 process 4", "10 process 5", "11 process 5"]
    log.write_text("")
    assert dig_bench(*command).code == 1
    assert log.read_text() == ""


def test_changed_code_does_not_resume_the_old_code_s_processes(dig_bench: Run, repository: Path) -> None:
    assert dig_bench("compare", "--base", "10ms", *CELLS, *QUIET).code == 1
    fake_suite.write(repository, latency_ms=12.0)
    ran = dig_bench("compare", "--base", "10ms", *CELLS, *QUIET)
    assert ran.code == 2
    assert "out/candidate holds another sweep's results: code is" in ran.err


def test_cells_that_the_base_cannot_build_are_rows_and_listed_as_new(
    tmp_path: Path, dig_bench: Run, repository: Path
) -> None:
    fake_suite.write(repository, models=("DiG-S/2",))
    fake_suite.commit(repository, "DiG-alone")
    both = [part if part != "DiG-S/2@chunked" else "DiG-S/2@chunked,DiS-S/2@chunked,DiT-S/2@math" for part in CELLS]
    fake_suite.write(repository, models=("DiG-S/2", "DiS-S/2"))
    ran = dig_bench("compare", "--base", "DiG-alone", *both, *QUIET, "--output", "compare.json")
    assert ran.code == 0, ran.out
    cells = json.loads((tmp_path / "compare.json").read_text())["cells"]
    states = {cell["cell"]["model"]: cell["state"] for cell in cells}
    assert states == {"DiG-S/2": "compared", "DiS-S/2": "fixed", "DiT-S/2": "not measured"}
    rows = pd.read_csv(tmp_path / "out" / "base" / "rows.csv").set_index("model")
    assert set(rows.loc["DiS-S/2", "status"]) == {"unsupported"}
    assert "has no DiS-S/2@chunked" in rows.loc["DiS-S/2", "detail"].iloc[0]


def test_a_cell_that_the_candidate_lost_is_a_regression(dig_bench: Run, repository: Path) -> None:
    fake_suite.write(repository, models=("DiT-S/2",))
    ran = dig_bench("compare", "--base", "11ms", *CELLS, *QUIET)
    assert ran.code == 1
    assert "FAILED" in ran.out


def test_no_worktree_stays_behind(dig_bench: Run, repository: Path) -> None:
    dig_bench("compare", "--base", "10ms", "--candidate", "11ms", *CELLS, *QUIET)
    assert len(fake_suite.git(repository, "worktree", "list").splitlines()) == 1


def test_no_hook_of_the_repository_runs(tmp_path: Path, dig_bench: Run, repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    assert dig_bench("compare", "--base", "11ms", *CELLS, *QUIET).code == 0
    assert not (tmp_path / "hooked").exists()


def test_a_calibration_of_the_machine_is_found_and_sets_the_processes(
    tmp_path: Path, dig_bench: Run, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = {"device": "cpu", "cpu": "A Processor", "gpu_name": None, "power_limit_w": None}
    monkeypatch.setattr("dig_bench.machine.environment.cpu_name", lambda: "A Processor")
    noise = {(key, "latency"): Noise(sd=0.003, degrees=9) for key in read_keys(tmp_path, dig_bench)}
    Calibration(machine=machine, noise=noise, processes=4, max_processes=4).write(
        tmp_path / "results" / "a-processor" / "calibration.json"
    )
    log.write_text("")
    ran = dig_bench("compare", "--base", "11ms", *CELLS[:-1], "other", *QUIET)
    assert ran.code == 0
    assert "Noise between processes: results/a-processor/calibration.json" in " ".join(ran.out.split())
    assert len(log.read_text().splitlines()) == 8
    folders = dig_bench("compare", "other/base", "other/candidate", "--metrics", "latency")
    assert "results/a-processor/calibration.json" in folders.out


def read_keys(tmp_path: Path, dig_bench: Run) -> list:
    dig_bench("compare", "--base", "11ms", *CELLS, *QUIET)
    return list(read_evidence(tmp_path / "out" / "base").rows)


WRONG = {
    "unknown revision": (["--base", "nowhere"], "'nowhere' is no git revision"),
    "an option for a revision": (["--base", "--all"], "'--all' is no git revision"),
    "two bases": (["base", "candidate", "--base", "10ms"], "not both"),
    "a candidate alone": (["--candidate", "10ms"], "--candidate applies to revisions"),
    "cells of folders": (["base", "candidate", "--max-processes", "5"], "--max-processes applies to revisions"),
    "too few processes": (["--base", "10ms", "--processes", "2"], "--processes takes a whole number from 3"),
    "cap below": (["--base", "10ms", "--processes", "5", "--max-processes", "4"], "--max-processes must be at least 5"),
    "an option that the base does not know": (["--base", "10ms", "--max-seconds", "3"], "knows no max_seconds"),
    "no suite": (["--base", "empty"], "has no dig_bench/run/worker.py"),
    "a broken suite": (["--base", "broken"], "cannot be measured by this version of dig-bench: SyntaxError"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_usage_error_is_one_line_and_measures_nothing(case: str, dig_bench: Run, repository: Path, log: Path) -> None:
    arguments, complaint = WRONG[case]
    if case == "no suite":
        (repository / "dig_bench" / "run" / "worker.py").unlink()
        fake_suite.commit(repository, "empty")
    if case == "a broken suite":
        (repository / "dig_bench" / "protocol.py").write_text("class")
        fake_suite.commit(repository, "broken")
    of_cells = CELLS if "--base" in arguments and "base" not in arguments else []
    ran = dig_bench("compare", *arguments, *of_cells)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert complaint in ran.err
    assert log.read_text() == ""


def test_code_outside_of_any_checkout_says_so(dig_bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worktree, "OURS", tmp_path)
    ran = dig_bench("compare", "--base", "main", *CELLS)
    assert ran.code == 2
    assert "--base needs dig-bench to run from a git checkout" in ran.err
