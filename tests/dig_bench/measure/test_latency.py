"""One pass: warm-up until there is no trend, then samples until their interval is narrow, within the caps."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from dig_bench.measure import latency
from dig_bench.measure.latency import Sampling, Timed, WarmUp
from dig_bench.measure.timer import Call, CpuTimer, Stop, Times

SAMPLING = Sampling(min_samples=12, max_samples=1000, min_seconds=0.0, max_seconds=10.0, target_half_width=0.02)
COLD = WarmUp(max_seconds=0)


class Script:
    """A timer that runs nothing and reads latencies from a function of the round's number."""

    def __init__(self, latency_ms: Callable[[int], float], advance: Callable[[float], None]) -> None:
        self.latency_ms = latency_ms
        self.advance = advance

    def __call__(self, calls: Sequence[Call], *, stop: Stop) -> Times:
        times = Times(calls_ms=[[] for _ in calls])
        while not times.calls_ms[0] or not stop(times):
            taken = self.latency_ms(len(times.calls_ms[0]))
            self.advance(taken / 1e3)
            for call_ms in times.calls_ms:
                call_ms.append(taken)
        return times


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The clock stands still, but for what a test advances it by."""
    now = [0.0]
    monkeypatch.setattr(latency, "monotonic", lambda: now[0])

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


def measured(script: Script, *, warm_up: WarmUp = COLD, **changes: float) -> Timed:
    return latency.measure([lambda: None], script, warm_up=warm_up, sampling=replace(SAMPLING, **changes))


def test_first_call_is_called_once() -> None:
    ran: list[int] = []
    assert latency.first_call_s(lambda: ran.append(1), "cpu") >= 0
    assert ran == [1]


def test_sampling_ends_when_the_interval_is_narrow(clock: Callable[[float], None]) -> None:
    assert len(measured(Script(lambda index: 10.0, clock)).times.total_ms) == 12


def test_sampling_lasts_its_shortest_time(clock: Callable[[float], None]) -> None:
    assert 100 <= len(measured(Script(lambda index: 10.0, clock), min_seconds=1.0).times.total_ms) < 115


def test_noisy_sampling_ends_at_the_cap_in_time(clock: Callable[[float], None]) -> None:
    found = measured(Script(lambda index: 5.0 if index % 2 else 15.0, clock), max_seconds=2.0, target_half_width=0.0)
    assert 200 <= len(found.times.total_ms) < 220


def test_noisy_sampling_ends_at_the_cap_in_samples(clock: Callable[[float], None]) -> None:
    found = measured(Script(lambda index: 5.0 if index % 2 else 15.0, clock), max_samples=33, target_half_width=0.0)
    assert len(found.times.total_ms) == 33


def test_slow_calls_get_their_fewest_samples_whatever_they_cost(clock: Callable[[float], None]) -> None:
    assert len(measured(Script(lambda index: 60_000.0, clock), min_samples=3).times.total_ms) == 3


def test_samples_of_the_warm_up_are_left_out(clock: Callable[[float], None]) -> None:
    found = measured(Script(lambda index: 10.0, clock), warm_up=WarmUp(min_seconds=1.0))
    assert found.trend is not None
    assert found.warmup_rounds == pytest.approx(110, abs=15)
    assert len(found.times.total_ms) == 12
    assert found.begin_s == pytest.approx(found.warmup_rounds * 0.01)
    assert found.end_s - found.begin_s == pytest.approx(0.12)


def test_warm_up_waits_for_a_creep_to_end(clock: Callable[[float], None]) -> None:
    """A creep of 10 % over two seconds, as a GPU shows on its way to its power limit."""

    def creeping(index: int) -> float:
        return 10.0 * (1 + 0.1 * min(index / 200, 1.0))

    found = measured(Script(creeping, clock), warm_up=WarmUp(min_seconds=0.5))
    assert found.times.total_ms[0] == pytest.approx(11.0, rel=0.005)
    assert found.trend is not None
    assert abs(found.trend.drift) < 0.005


def test_warm_up_ends_at_its_cap_and_reports_the_trend_that_is_left(clock: Callable[[float], None]) -> None:
    found = measured(
        Script(lambda index: 10.0 + 0.01 * index, clock), warm_up=WarmUp(max_seconds=3.0), target_half_width=1.0
    )
    assert found.begin_s == pytest.approx(3.05, abs=0.06)
    assert found.trend is not None
    assert found.trend.per_s == pytest.approx(0.08, rel=0.2)
    assert not found.trend.is_steady(0.005)


def test_a_warm_up_shorter_than_its_windows_has_no_trend(clock: Callable[[float], None]) -> None:
    found = measured(Script(lambda index: 10.0, clock), warm_up=WarmUp(min_seconds=0.3, max_seconds=0.3))
    assert (found.trend, found.warmup_rounds) == (None, pytest.approx(31, abs=1))


def test_cpu_timer_runs_the_calls_in_order_and_times_each() -> None:
    ran: list[str] = []
    times = CpuTimer()([lambda: ran.append("a"), lambda: ran.append("b")], stop=lambda times: len(ran) == 6)
    assert ran == ["a", "b"] * 3
    assert times.total_ms == pytest.approx([a + b for a, b in zip(*times.calls_ms, strict=True)])
    assert all(value >= 0 for each in times.calls_ms for value in each)
    assert (times.host_ms, times.duty) == ([], None)


def test_duty_leaves_the_flush_out_and_counts_idle_time() -> None:
    busy = Times(calls_ms=[[1.0] * 100], gaps_ms=[0.1] * 99)
    assert busy.duty == pytest.approx(1)
    starved = Times(calls_ms=[[1.0] * 100], gaps_ms=[0.1] * 50 + [1.1] * 49)
    assert starved.duty == pytest.approx(1 - 49 / (100 + 5 + 49 * 1.1))
