import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dig_bench.cell import Cell, Row
from dig_bench.protocol import Protocol
from dig_bench.results.store import Store
from dig_bench.run import workers
from dig_bench.run.source import Source
from dig_bench.run.worker_process import Worker
from dig_bench.run.workers import measure
from fake_backbones import WORKER_PID_FILE

PLUGIN = str(Path(__file__).parents[2] / "support" / "fake_backbones.py")
QUICK = Protocol(
    warmup_seconds=0, min_samples=6, max_samples=6, min_seconds=0, target_half_width=1e9, memory=False, check_grid=2
)
CELL = Cell(model="Fake-S/1", backend="good", resolution_px=32)


class Silent:
    def __init__(self, on_phase: Callable[[str], None] = lambda text: None) -> None:
        self.events: list[str] = []
        self.on_phase = on_phase

    def started(self, cell: Cell) -> None:
        self.events.append(f"started {cell.backend}")

    def phase(self, cell: Cell, text: str) -> None:
        self.events.append(text)
        self.on_phase(text)


def cell(backend: str, resolution_px: int = 32) -> Cell:
    return replace(CELL, backend=backend, resolution_px=resolution_px)


SWEEP = [
    cell("good"),
    cell("segfault"),
    cell("sigkill"),
    cell("raises"),
    cell("wrong"),
    cell("hungry"),
    cell("hungry", 64),
    cell("hungry", 128),
    replace(cell("hungry", 128), mode="train"),
]


@pytest.fixture(scope="module")
def rows() -> dict[Cell, Row]:
    """Rows of a sweep in which most cells fail, each in its own way."""
    measured = list(measure(SWEEP, protocol=QUICK, plugins=[PLUGIN], observer=Silent()))
    assert [row.cell for row, _ in measured] == SWEEP
    assert all(len(samples["latency_ms"]) == 6 for row, samples in measured if row.measured)
    return {row.cell: row for row, _ in measured}


def test_cells_before_and_after_failures_are_measured(rows: dict[Cell, Row]) -> None:
    assert [rows[each].status for each in (cell("good"), cell("hungry"))] == ["ok"] * 2


def test_a_segfault_is_a_crash_by_its_signal(rows: dict[Cell, Row]) -> None:
    row = rows[cell("segfault")]
    assert (row.status, row.detail.partition(":")[0]) == ("crashed", "killed by SIGSEGV")
    assert row.started_at


def test_a_kill_that_is_not_ours_points_at_the_kernel(rows: dict[Cell, Row]) -> None:
    row = rows[cell("sigkill")]
    assert row.status == "crashed"
    assert row.detail.startswith("killed by SIGKILL, probably by the kernel's out-of-memory killer")


def test_an_exception_is_a_crash_with_its_name(rows: dict[Cell, Row]) -> None:
    assert (rows[cell("raises")].status, rows[cell("raises")].detail[:9]) == ("crashed", "KeyError:")


def test_a_mismatch_comes_through(rows: dict[Cell, Row]) -> None:
    assert rows[cell("wrong")].status == "mismatch"


def test_larger_cells_of_an_exhausted_series_are_skipped_and_said_to_be(rows: dict[Cell, Row]) -> None:
    assert rows[cell("hungry", 64)].status == "oom"
    assert "skipped" not in rows[cell("hungry", 64)].detail
    skipped = rows[cell("hungry", 128)]
    assert (skipped.status, skipped.detail) == ("oom", "skipped: out of memory at 64 px")


def test_other_series_of_an_exhausted_model_are_tried(rows: dict[Cell, Row]) -> None:
    row = rows[replace(cell("hungry", 128), mode="train")]
    assert row.status == "oom"
    assert "skipped" not in row.detail


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that have imported their task: a timeout need not cover that."""
    start = workers.start_worker

    def start_and_wait(source: Source) -> Worker:
        worker = start(source)
        select.select([worker.replies], [], [], 60)
        return worker

    monkeypatch.setattr(workers, "start_worker", start_and_wait)


def test_a_cell_that_hangs_in_native_code_is_killed_at_its_timeout_and_the_next_one_runs(imported: None) -> None:
    observer = Silent()
    cells, protocol = [cell("stuck"), cell("good")], replace(QUICK, timeout_s=5)
    (row, samples), (following, _) = measure(cells, protocol=protocol, plugins=[PLUGIN], observer=observer)
    assert (row.status, row.detail, samples) == ("timeout", "no result within 5 s", {})
    assert following.status == "ok"
    assert observer.events[:4] == ["started stuck", "building", "first call", "started good"]


def test_the_timeout_covers_the_start_of_the_worker() -> None:
    observer = Silent()
    protocol = replace(QUICK, timeout_s=0.05)
    ((row, _),) = measure([CELL], protocol=protocol, plugins=[PLUGIN], observer=observer)
    assert row.status == "timeout"
    assert observer.events == ["started good"]


def test_a_plugin_that_cannot_be_loaded_is_a_crash_that_says_so(tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text("raise ImportError('no such kernel')")
    ((row, _),) = measure([CELL], protocol=QUICK, plugins=[str(plugin)], observer=Silent())
    assert row.status == "crashed"
    assert row.detail.startswith("ValueError: plugin ")
    assert "no such kernel" in row.detail


def test_a_worker_that_died_between_two_cells_has_not_failed_at_the_next() -> None:
    rows = measure([CELL, cell("good", 64)], protocol=QUICK, plugins=[PLUGIN], observer=Silent())
    assert next(rows)[0].status == "ok"
    (worker,) = children(os.getpid())
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not is_alive(worker))
    assert [row.status for row, _ in rows] == ["ok"]


def test_ctrl_c_lets_the_running_cell_finish() -> None:
    def interrupt(text: str) -> None:
        if text == "timing":
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    rows = measure([CELL, cell("good", 64)], protocol=QUICK, plugins=[PLUGIN], observer=Silent(interrupt))
    row, _ = next(rows)
    assert row.status == "ok"
    with pytest.raises(KeyboardInterrupt):
        next(rows)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_twice_stops_at_once() -> None:
    def interrupt(text: str) -> None:
        if text == "first call":
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        next(measure([cell("hang")], protocol=QUICK, plugins=[PLUGIN], observer=Silent(interrupt)))


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_workers import CELL, PLUGIN, QUICK, Silent, cell, measure
from dig_bench.results.store import Store

store = Store.open(Path({folder!r}), spec={{}}, environment={{}}, resume=True)
todo = [each for each in (cell("good"), cell("hang")) if each not in store.done]
for row, samples in measure(todo, protocol=QUICK, plugins=[PLUGIN], observer=Silent()):
    store.append(row, samples)
"""


def test_kill_9_in_mid_sweep_loses_no_row_and_leaves_no_worker(tmp_path: Path) -> None:
    folder, pid_file = tmp_path / "results", tmp_path / "pid"
    script = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(folder))
    environment = {**os.environ, WORKER_PID_FILE: str(pid_file), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    sweep = subprocess.Popen([sys.executable, "-c", script], env=environment)
    wait_for(lambda: pid_file.exists() and pid_file.read_text() != "")
    sweep.kill()
    sweep.wait()
    wait_for(lambda: not is_alive(int(pid_file.read_text())))

    resumed = Store.open(folder, spec={}, environment={}, resume=True)
    assert resumed.done == {cell("good")}
    resumed.finish()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    """The children of a process that are workers."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"dig_bench.run.worker" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_alive(pid: int) -> bool:
    """False for a zombie once its last thread has gone: until then a parent cannot wait for it, either."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except FileNotFoundError:
        return False
