"""Warm-up and sampling end by their rules, on a simulated clock."""

from collections.abc import Callable, Sequence

import pytest

from dig_bench.measure import latency
from dig_bench.measure.latency import CpuTimer, Times, sample, warm_up


class Script:
    """A timer that runs nothing and reads latencies from a function of the round's number."""

    def __init__(
        self, latency_ms: Callable[[int], float], advance: Callable[[float], None] = lambda seconds: None
    ) -> None:
        self.latency_ms = latency_ms
        self.advance = advance
        self.rounds = 0
        self.windows: list[int] = []

    def __call__(self, calls: Sequence[latency.Call], rounds: int) -> Times:
        self.windows.append(rounds)
        taken = [self.latency_ms(self.rounds + index) for index in range(rounds)]
        self.rounds += rounds
        self.advance(sum(taken) / 1e3)
        return Times(calls_ms=[taken for _ in calls])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The clock stands still, but for what a test advances it by."""
    now = [0.0]
    monkeypatch.setattr(latency, "perf_counter", lambda: now[0])

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


def sample_with(script: Script, **changes: float) -> Times:
    options = {
        "min_samples": 6,
        "max_samples": 1000,
        "min_seconds": 0.0,
        "max_seconds": 10.0,
        "target_half_width": 0.02,
        **changes,
    }
    return sample([lambda: None], script, **options)  # type: ignore[arg-type]


def test_cpu_timer_runs_the_calls_in_order_and_times_each() -> None:
    ran: list[str] = []
    times = CpuTimer()([lambda: ran.append("a"), lambda: ran.append("b")], 3)
    assert ran == ["a", "b"] * 3
    assert [len(each) for each in times.calls_ms] == [3, 3]
    assert times.total_ms == pytest.approx([a + b for a, b in zip(*times.calls_ms, strict=True)])
    assert all(value >= 0 for each in times.calls_ms for value in each)
    assert times.host_ms == []


def test_first_call_is_called_once() -> None:
    ran: list[int] = []
    assert latency.first_call_s(lambda: ran.append(1), "cpu") >= 0
    assert ran == [1]


def test_sampling_ends_when_the_interval_is_narrow(clock: Callable[[float], None]) -> None:
    times = sample_with(Script(lambda index: 10.0, clock), min_samples=6)
    assert 6 <= len(times.total_ms) < 50


def test_sampling_lasts_at_least_min_seconds(clock: Callable[[float], None]) -> None:
    times = sample_with(Script(lambda index: 10.0, clock), min_seconds=1.0)
    assert 100 <= len(times.total_ms) < 115


def test_noisy_sampling_ends_at_max_seconds(clock: Callable[[float], None]) -> None:
    times = sample_with(Script(lambda index: 5.0 if index % 2 else 15.0, clock), max_seconds=2.0)
    assert 200 <= len(times.total_ms) < 220


def test_noisy_sampling_ends_exactly_at_max_samples(clock: Callable[[float], None]) -> None:
    times = sample_with(Script(lambda index: 5.0 if index % 2 else 15.0, clock), max_samples=33)
    assert len(times.total_ms) == 33


def test_slow_calls_get_min_samples(clock: Callable[[float], None]) -> None:
    script = Script(lambda index: 60_000.0, clock)
    assert len(sample_with(script, min_samples=3).total_ms) == 3
    assert set(script.windows) == {1}


def test_short_calls_are_queued_many_at_a_time(clock: Callable[[float], None]) -> None:
    script = Script(lambda index: 0.01, clock)
    sample_with(script, min_samples=500)
    assert max(script.windows) == latency.MAX_WINDOW_CALLS


def test_warm_up_lasts_until_two_windows_agree(clock: Callable[[float], None]) -> None:
    script = Script(lambda index: 200.0 if index < 5 else 100.0, clock)
    # One call for the size of a window, then windows of one: 200, 200 agree.
    assert warm_up([lambda: None], script, agreement=0.02, max_rounds=100, max_seconds=60) == 3
    falling = Script(lambda index: 1000.0 - 100 * index if index < 5 else 500.0, clock)
    assert warm_up([lambda: None], falling, agreement=0.02, max_rounds=100, max_seconds=60) == 7


def test_warm_up_ends_at_its_caps(clock: Callable[[float], None]) -> None:
    def restless(index: int) -> float:
        return 100.0 * (1 + index % 2)

    assert warm_up([lambda: None], Script(restless, clock), agreement=0.02, max_rounds=9, max_seconds=60) == 9
    assert warm_up([lambda: None], Script(restless, clock), agreement=0.02, max_rounds=99, max_seconds=1.0) == 7
    assert warm_up([lambda: None], Script(restless, clock), agreement=0.02, max_rounds=0, max_seconds=1.0) == 0
