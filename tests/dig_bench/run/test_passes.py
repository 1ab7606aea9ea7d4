"""Timing, energy and second look: the columns that they fill, and the doubts that they leave."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from dig_bench.cell import Cell
from dig_bench.measure import host
from dig_bench.measure.recording import Recording
from dig_bench.measure.timer import Call, Stop, Times
from dig_bench.protocol import Protocol
from dig_bench.run import passes as module
from dig_bench.run.passes import Passes
from dig_bench.run.step import Step

CELL = Cell(model="DiT-S/2", backend="math", resolution_px=256, batch_size=2, device="cuda")
PROTOCOL = Protocol(warmup_seconds=0, min_samples=20, max_samples=20, min_seconds=0, max_seconds=1.0)
STEP = Step(parts={"forward": lambda: None}, outputs=[torch.zeros(1)])


class Watcher:
    """A monitor of a GPU at 400 W that reports the throttle reasons it is given."""

    def __init__(self, reasons: str = "") -> None:
        self.reasons = reasons

    @contextmanager
    def watch(self) -> Iterator[Recording]:
        found = Recording()
        yield found
        found.moves.extend((1e9 + 0.1 * i, 40_000 * i) for i in range(6))
        found.states.extend((1e9 + 0.1 * i, 1980, 60, self.reasons) for i in range(6))


class Machine:
    """Passes take the latencies that are scripted for them, one after the other; host time is the latency."""

    def __init__(self, *latencies_ms: float) -> None:
        self.latencies_ms = list(latencies_ms)

    def __call__(self, calls: Sequence[Call], *, stop: Stop) -> Times:
        latency_ms = self.latencies_ms.pop(0)
        times = Times(calls_ms=[[] for _ in calls])
        while not (times.host_ms and stop(times)):
            jitter = 1 + 1e-4 * (len(times.host_ms) % 3)
            for call_ms in times.calls_ms:
                call_ms.append(latency_ms * jitter)
            times.host_ms.append(latency_ms * jitter)
            times.gaps_ms.append(0.01)
        return times


@pytest.fixture(autouse=True)
def _one_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that launches kernels at one speed, and a monitor whose readings are all of the pass."""
    monkeypatch.setattr(host.Host, "slowdown", lambda self: 1.0)
    monkeypatch.setattr(Recording, "between", lambda self, begin_s, end_s=0.0: self)


def run(monkeypatch: pytest.MonkeyPatch, machine: Machine, reasons: str = "", **changes: str) -> Passes:
    monkeypatch.setattr(module, "timer_for", lambda device, **options: machine)
    found = Passes(replace(CELL, **changes), PROTOCOL, lambda text: None, Watcher(reasons))  # type: ignore[arg-type]
    found.time(STEP)
    found.measure_energy(STEP)
    found.look_again(STEP)
    return found


def test_a_steady_graph_leaves_no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(monkeypatch, Machine(5.0, 5.0), execution="graph")
    assert (found.doubts, found.harmful) == ([], set())
    assert found.values["energy_j_per_image"] == pytest.approx(400 * 0.005 / 2, rel=1e-3)
    assert found.values["energy_consistency"] == pytest.approx(1, abs=1e-3)
    assert (found.values["timing_power_w"], found.values["timing_sm_clock_mhz"]) == (pytest.approx(400), 1980)
    assert found.values["device_duty"] == pytest.approx(1)
    assert "second_look_ms_median" not in found.values


def test_calls_that_take_longer_in_the_energy_pass_are_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(monkeypatch, Machine(5.0, 5.6), execution="graph")
    assert found.doubts == ["in the energy pass a call took 1.12 times the latency"]


def test_a_spell_of_the_host_is_noisy_and_its_interval_holds_both_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(monkeypatch, Machine(10.1, 10.1, 4.5))
    assert found.doubts == ["CPU-bound, and the host is unsteady: 10.1 ms, then 4.5 ms"]
    assert found.values["latency_ms_ci_low"] < 4.6
    assert found.values["latency_ms_ci_high"] > 10.0
    assert found.values["second_look_ms_median"] == pytest.approx(4.5, rel=1e-3)


def test_a_steady_host_bound_row_is_looked_at_twice_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(monkeypatch, Machine(4.5, 4.5, 4.52))
    assert found.doubts == []
    assert found.values["second_look_ms_median"] == pytest.approx(4.52, rel=1e-3)


def test_a_host_slower_than_before_in_this_process_is_noisy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.Host, "slowdown", lambda self: 1.9)
    found = run(monkeypatch, Machine(8.6, 8.6, 8.6))
    assert found.doubts == ["CPU-bound: kernel launches took 1.9 times as long as at best in this process"]


def test_a_gpu_that_protects_itself_is_harmful_and_a_power_limit_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, Machine(5.0, 5.0), "hw_thermal", execution="graph").harmful == {"hw_thermal"}
    capped = run(monkeypatch, Machine(5.0, 5.0), "sw_power_cap", execution="graph")
    assert (capped.harmful, capped.values["timing_throttle_reasons"]) == (set(), "sw_power_cap")


def test_the_host_is_compared_with_its_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    times_us = iter([5.0, 4.0, 8.0])
    monkeypatch.setattr(host, "_launch_us", lambda: next(times_us))
    speed = host.Host()
    assert [speed.slowdown() for _ in range(3)] == [1.0, 1.0, 2.0]
