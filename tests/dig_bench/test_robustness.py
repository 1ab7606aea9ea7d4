"""Whole sweeps, killed and starved: no row is lost or repeated, and each end says why.

One kill of each kind is part of every run of the tests; `make test-robustness` does all hundred.
"""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest

from dig_bench.cell import Cell
from dig_bench.results.manifest import read_manifest
from dig_bench.results.read import read_row_list, read_samples
from fake_backbones import WORKER_PID_FILE
from harness import Run

PLUGIN = str(Path(__file__).parents[1] / "support" / "fake_backbones.py")
QUIET_PLUGIN = str(Path(__file__).parents[2] / "examples" / "my_backbone.py")
RESOLUTIONS = tuple(range(32, 128, 16))
FAST = ["--min-samples", "20", "--max-samples", "20", "--warmup-seconds", "0", "--target-ci", "1e9", "--no-figures"]

CELLS = tuple(Cell(model="Fake-S/1", backend="good", resolution_px=px, process=n) for n in (1, 2) for px in RESOLUTIONS)
SWEEP = ["--models", "Fake-S/1@good", "--res", ",".join(map(str, RESOLUTIONS)), "--processes", "2"]

SLOW = pytest.mark.robustness
WAIT_S = 120


def words(folder: Path, *arguments: str) -> list[str]:
    return ["sweep", "--device", "cpu", "--plugin", PLUGIN, "--out", str(folder), *FAST, *arguments]


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "dig_bench", *words(folder, *arguments)]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **changes}


@contextmanager
def started(folder: Path, *arguments: str, **changes: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep in a process of its own, which does not outlive the block."""
    sweep = subprocess.Popen(
        command(folder, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**changes),
        start_new_session=True,
    )
    try:
        yield sweep
    finally:
        sweep.kill()
        sweep.communicate()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers_of(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if is_worker(int(child))]
    return []


def is_worker(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return b"dig_bench.run.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def lines_of(folder: Path) -> list[str]:
    """Whole lines of rows.csv, the header first."""
    path = folder / "rows.csv"
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")] if path.exists() else []


def assert_complete(folder: Path, cells: Sequence[Cell] = CELLS) -> None:
    rows = read_row_list(folder)
    assert sorted(map(str, (row.cell for row in rows))) == sorted(map(str, cells))
    assert read_manifest(folder)["finished_at"]
    # What pandas reads is what we read.
    assert len(pd.read_csv(folder / "rows.csv")) == len(cells)
    samples = read_samples(folder)
    assert all(len(samples[row.cell]["latency_ms"]) == row.num_samples for row in rows if row.measured)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=SLOW) for seed in range(1, 11))])
def test_kill_9_of_the_sweep_at_any_moment(seed: int, tmp_path: Path, dig_bench: Run) -> None:
    """Once, or five times: from before its folder exists to between the last two rows."""
    rng, folder = random.Random(seed), tmp_path / "results"
    before: list[str] = []
    for _ in range(5 if seed else 1):
        with started(folder, *SWEEP) as sweep:
            # A third in the start-up; the others where rows come.
            if rng.random() < 0.3:
                time.sleep(rng.uniform(0, 4))
            else:
                count = len(before)
                wait_for(lambda sweep=sweep, count=count: len(lines_of(folder)) > count or sweep.poll() is not None)
                time.sleep(rng.uniform(0, 0.5))
            workers = workers_of(sweep.pid)
            sweep.kill()
            sweep.wait()
            wait_for(lambda workers=workers: not any(map(is_worker, workers)))
        after = lines_of(folder)
        assert after[: len(before)] == before
        before = after
    ran = dig_bench(*words(folder, *SWEEP))
    assert (ran.code, ran.err) == (0, "")
    assert f"{len(before[1:])} done already" in ran.out
    assert lines_of(folder)[: len(before)] == before
    assert_complete(folder)
    assert {row.status for row in read_row_list(folder)} == {"ok"}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=SLOW) for seed in range(1, 11))])
def test_kill_9_of_workers_at_any_moment(seed: int, tmp_path: Path) -> None:
    """Once, or five times: each kill crashes one cell at most, every other one is measured."""
    rng, folder, killed = random.Random(seed), tmp_path / "results", 0
    with started(folder, *SWEEP) as sweep:
        for _ in range(5 if seed else 1):
            wait_for(lambda: workers_of(sweep.pid) or sweep.poll() is not None)
            time.sleep(rng.uniform(0, 3))
            for worker in workers_of(sweep.pid):
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed += 1
                wait_for(lambda worker=worker: worker not in workers_of(sweep.pid))
        out, err = sweep.communicate()
    rows = read_row_list(folder)
    crashed = [row for row in rows if not row.measured]
    assert len(crashed) <= killed
    assert all(row.status == "crashed" and row.detail.startswith("killed by SIGKILL") for row in crashed)
    assert err == ""
    assert sweep.returncode == (1 if crashed else 0)
    assert out.count("killed by SIGKILL") == len(crashed)
    assert_complete(folder)


def test_one_folder_one_cpu_two_sweeps_and_ctrl_c_twice(tmp_path: Path, dig_bench: Run) -> None:
    """While a sweep hangs in its second cell: another one in its folder, one in another folder, Ctrl-C twice."""
    folder, pid_file = tmp_path / "results", tmp_path / "pid"
    arguments = ["--models", "Fake-S/1@good,Fake-S/1@hang", "--res", "32"]
    with started(folder, *arguments, **{WORKER_PID_FILE: str(pid_file)}) as sweep:
        wait_for(lambda: pid_file.exists() and pid_file.read_text())
        worker = int(pid_file.read_text())
        before = lines_of(folder)
        assert len(before) == 2

        second = dig_bench(*words(folder, *arguments))
        assert second.code == 2
        assert second.err == f"dig-bench: {folder} is being written by process {sweep.pid}\n"

        beside = dig_bench(*words(tmp_path / "beside", "--models", "Fake-S/1@good", "--res", "32"))
        assert beside.code == 0
        assert f"the CPU is in use by process {sweep.pid} of " in beside.out
        assert "measured times may be too long" in beside.out

        sweep.send_signal(signal.SIGINT)
        time.sleep(1)
        # The running cell may finish.
        assert sweep.poll() is None
        assert is_worker(worker)

        sweep.send_signal(signal.SIGINT)
        _, err = sweep.communicate(timeout=WAIT_S)
    assert sweep.returncode == 130
    assert err.strip() == f"dig-bench: interrupted: {folder} has 1 of 2 cells; run the same command again to resume"
    wait_for(lambda: not is_worker(worker))
    assert lines_of(folder) == before
    assert read_manifest(folder)["finished_at"] is None


def test_ctrl_c_once_finishes_the_row_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    with started(folder, *SWEEP) as sweep:
        wait_for(lambda: len(lines_of(folder)) > 2)
        sweep.send_signal(signal.SIGINT)
        out, err = sweep.communicate(timeout=WAIT_S)
    rows = read_row_list(folder)
    assert sweep.returncode == 130
    assert err.strip() == (
        f"dig-bench: interrupted: {folder} has {len(rows)} of {len(CELLS)} cells; run the same command again to resume"
    )
    # Every row that was announced is there, and none is a crash.
    assert out.count("Fake-S/1@good") == len(rows) < len(CELLS)
    assert {row.status for row in rows} == {"ok"}


def test_a_disk_that_runs_full_in_mid_sweep_ends_it_with_what_was_lost(tmp_path: Path, dig_bench: Run) -> None:
    folder, limit = tmp_path / "results", 4000
    # A plugin that prints nothing: the worker's log is a file, too.
    arguments = ["--plugin", QUIET_PLUGIN, "--models", "MyNet-XS/2@conv2d", "--res", "32..208:16"]
    cells = [Cell(model="MyNet-XS/2", backend="conv2d", resolution_px=px) for px in range(32, 209, 16)]

    def fill_up() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    starved = subprocess.run(
        command(folder, *arguments), capture_output=True, text=True, env=environment(), preexec_fn=fill_up
    )
    before = lines_of(folder)
    assert starved.returncode == 2
    (line,) = starved.stderr.splitlines()
    lost = cells[len(before) - 1]
    assert line.startswith(f"dig-bench: the row of {lost} (ok) cannot be written: {folder}/")
    assert line.endswith(f": File too large. {len(before) - 1} rows are safe; run the same command again to resume")
    assert (folder / "rows.csv").read_text() == "".join(before)

    ran = dig_bench(*words(folder, *arguments))
    assert (ran.code, ran.err) == (0, "")
    assert lines_of(folder)[: len(before)] == before
    assert_complete(folder, cells)
