"""The proof that `compare` decides correctly: predictions, workers that start together, and the committed proofs."""

import csv
import importlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from scipy.stats import binom

import fake_suite
from dig_bench.cell import Cell
from dig_bench.compare.calibration import Calibration, Noise
from dig_bench.compare.plan import Plan
from dig_bench.compare.settings import Settings
from dig_bench.protocol import Protocol
from dig_bench.run.source import Source
from dig_bench.run.workers import measure

ROOT = Path(__file__).parents[3]
PLUGIN = str(ROOT / "tests" / "support" / "fake_backbones.py")
CELL = Cell(model="Fake-S/1", backend="good", resolution_px=32)
QUICK = Protocol(
    warmup_seconds=0, min_samples=6, max_samples=6, min_seconds=0, target_half_width=1e9, memory=False, check_grid=2
)
PROOFS = sorted((ROOT / "results").glob("*/decide-proof"))


class Silent:
    def started(self, cell: Cell) -> None: ...

    def phase(self, cell: Cell, text: str) -> None: ...


class Watch(Silent):
    """Notes the workers' processor seconds when the first cell begins."""

    seconds: dict[int, float] | None = None

    def phase(self, cell: Cell, text: str) -> None:
        self.seconds = self.seconds or workers()


@pytest.fixture
def prediction(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "compare")
    return importlib.import_module("prediction")


@pytest.fixture
def started_together(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "compare")
    return importlib.import_module("started_together")


def calibration(sd: float) -> Calibration:
    keys = [replace(CELL, resolution_px=32 * n).without("process") for n in range(1, 13)]
    machine = {"device": "cpu", "cpu": "a CPU", "gpu_name": None, "power_limit_w": None}
    return Calibration(machine=machine, noise={(key, "latency"): Noise(sd=sd, degrees=9) for key in keys})


@pytest.mark.parametrize(("sd", "slower", "caught"), [(0.003, 0.0, 0), (0.003, 0.05, 1), (0.1, 0.05, 0)])
def test_predictions_follow_from_noise_and_slow_down(
    prediction: ModuleType, sd: float, slower: float, caught: int
) -> None:
    known = calibration(sd)
    plan = Plan(processes=3, max_processes=3)
    rates = prediction.simulate(known, Settings(calibration=known), plan, slower=slower, suites=20)
    assert rates.caught == pytest.approx(caught, abs=0.02)
    assert rates.red == pytest.approx(caught, abs=0.2)


def test_a_prediction_is_for_the_processes_of_its_plan(prediction: ModuleType) -> None:
    known = calibration(0.01)
    few, many = (
        prediction.simulate(
            known, Settings(calibration=known), Plan(processes=n, max_processes=n), slower=0.05, suites=20
        )
        for n in (3, 8)
    )
    assert many.caught > few.caught + 0.2


def workers() -> dict[int, float]:
    """Returns the processor seconds of the living workers, by process id."""
    pid = os.getpid()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ours = (child for child in children if b"dig_bench.run.worker" in Path(f"/proc/{child}/cmdline").read_bytes())
    ticks = {child: Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13] for child in ours}
    return {int(child): sum(map(int, both)) / os.sysconf("SC_CLK_TCK") for child, both in ticks.items()}


def numbered(cell: Cell, count: int) -> Iterator[Cell]:
    return (replace(cell, process=number) for number in range(1, count + 1))


def test_workers_that_start_together_import_first_and_sleep_until_their_turn(started_together: ModuleType) -> None:
    watch = Watch()
    with started_together.StartedTogether(2) as started:
        rows = measure([CELL], protocol=QUICK, plugins=[PLUGIN], observer=watch)
        assert next(rows)[0].status == "ok"
        (waiting,) = started.waiting
        asleep = waiting._process.pid
        assert watch.seconds is not None
        # PyTorch's import alone takes longer.
        assert watch.seconds[asleep] > 0.5
        assert workers()[asleep] - watch.seconds[asleep] < 0.1


@pytest.fixture
def fake_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A suite whose workers start at once."""
    fake_suite.write(tmp_path / "suite")
    monkeypatch.setenv(fake_suite.LOG, str(tmp_path / "log"))
    return Source.ask(tmp_path / "suite", name="a fake suite")


FAKE_CELL = Cell(model="DiG-S/2", backend="chunked", resolution_px=256)


def test_workers_that_start_together_measure_one_process_each_and_end(
    started_together: ModuleType, fake_source: Source
) -> None:
    with started_together.StartedTogether(3):
        rows = measure(numbered(FAKE_CELL, 2), protocol=Protocol(), observer=Silent(), source=fake_source)
        assert next(rows)[0].status == "ok"
        assert len(workers()) == 3
        assert [row.process for row, _ in rows if row.status == "ok"] == [2]
        assert len(workers()) == 1
    assert workers() == {}


def test_a_worker_that_died_before_its_turn_has_not_failed_at_its_cell(
    started_together: ModuleType, fake_source: Source
) -> None:
    with started_together.StartedTogether(2) as started:
        rows = measure(numbered(FAKE_CELL, 2), protocol=Protocol(), observer=Silent(), source=fake_source)
        next(rows)
        (waiting,) = started.waiting
        os.kill(waiting._process.pid, signal.SIGKILL)
        waiting._process.wait()
        assert [row.status for row, _ in rows] == ["ok"]


@pytest.mark.parametrize("folder", PROOFS, ids=lambda path: path.parent.name)
def test_a_committed_proof_is_never_red_on_identical_code_and_catches_what_was_predicted(folder: Path) -> None:
    with (folder / "proof.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    same = [row for row in rows if float(row["planted"]) == 0]
    assert len({row["comparison"] for row in same}) >= (20 if manifest["spec"]["device"] == ["cpu"] else 3)
    assert {row["cell"] for row in same} == {row["cell"] for row in rows} == set(manifest["noise"])
    assert len({row["cell"] for row in same}) == 12
    assert not [row for row in same if row["verdict"] == "slower"]
    shares = {float(row["planted"]) for row in rows} - {0.0}
    assert shares >= {0.03, 0.05, 0.1}
    for share in shares:
        latencies = [row["latency"] for row in rows if float(row["planted"]) == share]
        rate = manifest["predicted"][f"{100 * share:.3g} %"]["caught"]
        # A count this improbable, 1 in 1000 either way, is more than chance.
        low, high = binom.ppf(0.0005, len(latencies), rate), binom.ppf(0.9995, len(latencies), rate)
        assert low <= latencies.count("slower") <= high, f"{100 * share:g} %"
