"""Energy and state of a GPU, from the recording of a monitor."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from dig_bench.measure import monitor as monitors
from dig_bench.measure.energy import Energy, measure_energy
from dig_bench.measure.monitor import Monitor
from dig_bench.measure.recording import Recording
from dig_bench.measure.timer import Call, Stop, Times

MOVES = [(0.0, 0), (0.1, 1_000), (0.2, 71_000), (0.6, 351_000)]


def test_power_is_taken_between_the_second_and_the_last_advance() -> None:
    assert Recording(moves=MOVES).power_w == pytest.approx(700)
    assert Recording(moves=MOVES[:2]).power_w is None


def test_only_slowdowns_that_protect_the_gpu_are_harmful() -> None:
    states = [(0.0, 1980, 60, "sw_power_cap sync_boost"), (0.1, 1900, 61, "sw_power_cap hw_thermal")]
    assert Recording(states=states).harmful == ("hw_thermal",)
    assert Recording(states=states[:1]).harmful == ()


def test_the_state_is_that_of_the_part_asked_for() -> None:
    states = [(0.1 * i, 1980 - 10 * i, 50 + i, "sw_power_cap" if i > 5 else "") for i in range(10)]
    late = Recording(states=states, moves=MOVES).between(0.55)
    assert (late.sm_clock_mhz, late.temperature_c) == (pytest.approx(1905), 59)
    assert late.throttle_reasons == ("sw_power_cap",)
    assert late.moves == MOVES[3:]
    assert Recording(states=states).between(0.0, 0.45).throttle_reasons == ()


def test_a_reason_seen_once_in_a_while_does_not_count() -> None:
    states = [(0.01 * i, 1980, 60, "sw_power_cap" if i == 7 else "") for i in range(50)]
    assert Recording(states=states).throttle_reasons == ()


def test_a_gpu_that_reports_nothing_has_no_values() -> None:
    empty = Recording()
    assert (empty.power_w, empty.sm_clock_mhz, empty.temperature_c, empty.throttle_reasons) == (None, None, None, ())


class Watcher:
    """A monitor of a GPU that draws one power for calls and another for flushes alone."""

    def __init__(self, *powers_w: float) -> None:
        self.powers_w = list(powers_w)

    @contextmanager
    def watch(self) -> Iterator[Recording]:
        found = Recording()
        yield found
        if self.powers_w:
            power_w = self.powers_w.pop(0)
            found.moves.extend((0.1 * i, int(100 * i * power_w)) for i in range(6))


def timer(call_ms: float, gap_ms: float) -> object:
    def run(calls: Sequence[Call], *, stop: Stop) -> Times:
        return Times(calls_ms=[[call_ms] * 10 for _ in calls], gaps_ms=[gap_ms] * 9)

    return run


def test_energy_of_a_call_is_power_times_its_time() -> None:
    found = measure_energy([lambda: None], timer(20.0, 0.1), Watcher(500.0), seconds=0.5)  # type: ignore[arg-type]
    assert found.joules_per_call == pytest.approx(10.0)
    assert found.power_w_mean == pytest.approx(500)
    assert found.consistency(20.0) == pytest.approx(1)
    assert found.consistency(19.0) == pytest.approx(20 / 19)


def test_the_energy_of_flushes_is_left_out_where_they_matter() -> None:
    # 1 ms at 600 W and 1 ms of flush at 200 W draw 400 W on average.
    found = measure_energy([lambda: None], timer(1.0, 1.0), Watcher(400.0, 200.0), seconds=0.5)  # type: ignore[arg-type]
    assert found.joules_per_call == pytest.approx(0.6)
    assert found.power_w_mean == pytest.approx(600)


def test_a_gpu_without_a_counter_has_no_energy() -> None:
    found = measure_energy([lambda: None], timer(20.0, 0.1), Watcher(), seconds=0.5)  # type: ignore[arg-type]
    assert (found.joules_per_call, found.power_w_mean, found.consistency(20.0)) == (None, None, None)
    assert isinstance(found, Energy)


class FakeGpu:
    """Its counter advances with every reading."""

    sm_clock_mhz, temperature_c = 1980, 60

    def __init__(self) -> None:
        self.readings = 0

    @property
    def energy_mj(self) -> int:
        self.readings += 1
        return 100 * self.readings

    def throttle_reasons(self) -> tuple[str, ...]:
        return ("sw_power_cap",)


class Lines:
    """Standard input that leaves the monitor time to look before it is stopped."""

    def __iter__(self) -> Iterator[str]:
        yield "start\n"
        monitors.sleep(0.05)
        yield "stop\n"


def test_the_monitor_answers_a_stop_with_its_recording(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(monitors, "open_gpu", FakeGpu)
    monkeypatch.setattr(monitors.sys, "stdin", Lines())
    monitors.main()
    started, stopped = map(json.loads, capsys.readouterr().out.splitlines())
    assert started == {}
    assert len(stopped["moves"]) > 3
    assert stopped["states"][0][1:] == [1980, 60, "sw_power_cap"]


def test_a_machine_without_a_gpu_is_watched_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor()
    try:
        with monitor.watch() as recording:
            pass
        assert (recording.moves, recording.states) == ([], [])
    finally:
        monitor.close()


def test_a_monitor_that_died_leaves_an_empty_recording() -> None:
    monitor = Monitor()
    monitor._process.kill()
    monitor._process.wait()
    with monitor.watch() as recording:
        pass
    assert recording.moves == []
    monitor.close()
