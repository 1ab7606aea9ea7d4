"""CPUs that other processes keep busy, from the counters of a hand-written /proc/stat."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dig_bench.measure import cpu_load
from dig_bench.measure.cpu_load import Reading


@pytest.fixture
def stat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "stat"
    monkeypatch.setattr(cpu_load, "STAT", path)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 2}, raising=False)
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    monkeypatch.setattr(cpu_load, "sleep", lambda seconds: None)
    return path


def test_steal_counts_as_busy_and_waiting_for_disks_and_other_cpus_do_not(stat: Path) -> None:
    #                     user nice system idle iowait irq softirq steal guest guest_nice
    lines = ["cpu  9 9 9 9 9 9 9 9 9 9", "cpu0 100 1 20 5000 700 3 4 50 0 0", "cpu1 999 0 0 0 0 0 0 0 0 0"]
    stat.write_text("\n".join([*lines, "cpu2 10 0 0 9000 0 0 0 0 0 0", "intr 12345"]) + "\n")
    reading = cpu_load.read()
    assert reading is not None
    assert reading.busy_s == pytest.approx(1.78 + 0.10)


def test_own_work_is_not_that_of_others() -> None:
    begin = Reading(time_s=10.0, busy_s=100.0, own_s=7.0)
    assert cpu_load.others(begin, Reading(time_s=12.0, busy_s=104.0, own_s=11.0)) == 0.0
    assert cpu_load.others(begin, Reading(time_s=12.0, busy_s=104.0, own_s=8.0)) == pytest.approx(1.5)
    assert cpu_load.others(begin, begin) is None
    assert cpu_load.others(None, begin) is None


def _looks(busy_s: list[float]) -> Iterator[Reading]:
    for number, each in enumerate(busy_s):
        yield Reading(time_s=float(number), busy_s=each, own_s=0.0)


@pytest.mark.parametrize(
    ("busy_s", "found"),
    [
        ([0.0, 0.1], 0.1),
        # A daemon woke up during the first look.
        ([0.0, 1.0, 1.0, 1.05], 0.05),
        # Somebody computes.
        ([0.0, 1.0, 1.0, 1.9, 2.0, 3.0], 0.9),
    ],
)
def test_the_calmest_of_the_looks_counts(
    stat: Path, monkeypatch: pytest.MonkeyPatch, busy_s: list[float], found: float
) -> None:
    readings = _looks(busy_s)
    monkeypatch.setattr(cpu_load, "read", lambda: next(readings))
    assert cpu_load.look() == pytest.approx(found)
    assert (found > cpu_load.most()) == (found == 0.9)
    assert next(readings, None) is None


def test_without_counters_the_load_average_tells(stat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (3.5, 1.0, 1.0))
    assert cpu_load.read() is None
    assert cpu_load.look() == 3.5


@pytest.mark.parametrize(("cpus", "most"), [(1, 0.1), (2, 0.2), (64, 0.5)])
def test_a_large_machine_may_have_half_a_cpu_in_use(monkeypatch: pytest.MonkeyPatch, cpus: int, most: float) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(cpus)), raising=False)
    assert cpu_load.most() == pytest.approx(most)
