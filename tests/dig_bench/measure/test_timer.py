"""Timers: the queue of rounds ahead of a device, with events that need no GPU, and the clock of the host."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from dig_bench.measure import timer
from dig_bench.measure.timer import CpuTimer, CudaTimer, Times


class Device:
    """A device that runs one piece of work after the other, and a host that issues them; clocks in ms."""

    def __init__(self) -> None:
        self.host_ms = 0.0
        self.free_ms = 0.0
        self.rested_s: list[float] = []

    def run(self, work_ms: float, *, issue_ms: float = 0.0) -> None:
        """Issues work, which the device starts as soon as it is free."""
        self.host_ms += issue_ms
        self.free_ms = max(self.free_ms, self.host_ms) + work_ms

    def call(self, work_ms: float, *, issue_ms: float = 0.0) -> Callable[[], None]:
        return lambda: self.run(work_ms, issue_ms=issue_ms)

    def wait(self, until_ms: float | None = None) -> None:
        self.host_ms = max(self.host_ms, self.free_ms if until_ms is None else until_ms)

    def sleep(self, seconds: float) -> None:
        self.rested_s.append(seconds)
        self.host_ms += 1e3 * seconds


class Event:
    """Takes the place of torch.cuda.Event on a Device."""

    device: Device

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.at_ms = max(self.device.free_ms, self.device.host_ms)

    def synchronize(self) -> None:
        self.device.wait(self.at_ms)

    def elapsed_time(self, later: "Event") -> float:
        return later.at_ms - self.at_ms


class Flush:
    """Takes the place of the buffer that overwrites the L2 cache."""

    def __init__(self, device: Device, flush_ms: float) -> None:
        self.zero_ = device.call(flush_ms)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    device = Device()
    monkeypatch.setattr(Event, "device", device, raising=False)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", device.wait)
    monkeypatch.setattr(timer, "sleep", device.sleep)
    monkeypatch.setattr(timer, "perf_counter_ns", lambda: round(1e6 * device.host_ms))
    return device


def rounds(count: int) -> Callable[[Times], bool]:
    """Stops after a number of rounds."""
    return lambda times: len(times.calls_ms[0]) >= count


def cuda_timer(device: Device, *, flush_ms: float = 0.0, rest_s: float = 0.0) -> CudaTimer:
    made = CudaTimer(flush_l2=False, rest_s=rest_s)
    made._cache = Flush(device, flush_ms) if flush_ms else None  # type: ignore[assignment]
    return made


def test_each_call_of_a_round_has_its_time_and_the_flush_is_in_the_gap(device: Device) -> None:
    found = cuda_timer(device, flush_ms=0.5)([device.call(3.0), device.call(2.0)], stop=rounds(4))
    assert found.calls_ms[0] == pytest.approx([3.0] * len(found.total_ms))
    assert found.calls_ms[1] == pytest.approx([2.0] * len(found.total_ms))
    assert found.total_ms == pytest.approx([5.0] * len(found.total_ms))
    assert found.gaps_ms == pytest.approx([0.5] * (len(found.total_ms) - 1))
    assert found.flush_ms == pytest.approx(0.5)
    assert found.duty == pytest.approx(1.0)


def queue_depths(device: Device, call: Callable[[], None], count: int) -> list[int]:
    """Returns how many rounds were queued ahead whenever one was harvested."""
    issued, depths = 0, []

    def counted() -> None:
        nonlocal issued
        issued += 1
        call()

    def stop(times: Times) -> bool:
        depths.append(issued - len(times.total_ms))
        return len(times.total_ms) >= count

    cuda_timer(device)([counted], stop=stop)
    return depths


@pytest.mark.parametrize(
    ("work_ms", "depth"),
    [(100.0, 2), (20.0, 4), (7.0, 9), (0.01, timer.MAX_QUEUED)],
)
def test_rounds_of_60_ms_together_are_queued_ahead(device: Device, work_ms: float, depth: int) -> None:
    depths = queue_depths(device, device.call(work_ms), count=10)
    # The first time tells how long a round is; until then two are queued.
    assert depths[0] == 1
    assert set(depths[2:10]) == {depth - 1}


def test_rounds_that_are_queued_when_the_pass_ends_are_samples(device: Device) -> None:
    found = cuda_timer(device)([device.call(20.0)], stop=rounds(5))
    assert len(found.total_ms) == 5 + 3
    assert len(found.host_ms) == len(found.total_ms) == len(found.gaps_ms) + 1


def test_times_are_in_the_order_of_the_calls(device: Device) -> None:
    works = iter(range(1, 1000))
    found = cuda_timer(device)([lambda: device.run(float(next(works)))], stop=rounds(6))
    assert found.total_ms == pytest.approx([float(ms) for ms in range(1, len(found.total_ms) + 1)])


def test_waiting_for_a_slow_host_is_inside_the_latency(device: Device) -> None:
    found = cuda_timer(device)([device.call(1.0, issue_ms=4.0)], stop=rounds(20))
    assert found.host_ms == pytest.approx([4.0] * len(found.host_ms))
    assert found.total_ms[1:] == pytest.approx(found.host_ms[1:])
    assert found.gaps_ms == pytest.approx([0.0] * len(found.gaps_ms), abs=1e-9)


def test_the_duty_is_the_share_without_waiting_between_rounds() -> None:
    times = Times(calls_ms=[[1.0] * 5], gaps_ms=[0.5, 0.5, 0.5, 2.5])
    assert times.flush_ms == pytest.approx(0.5)
    assert times.duty == pytest.approx(1 - 2.0 / 9.0)
    assert Times(calls_ms=[[1.0]]).duty is None


def test_a_burst_rests_before_each_round_and_queues_none(device: Device) -> None:
    issued = 0
    ahead = []

    def call() -> None:
        nonlocal issued
        issued += 1
        device.run(1.0)

    def stop(times: Times) -> bool:
        ahead.append(issued - len(times.total_ms))
        return len(times.total_ms) >= 3

    cuda_timer(device, rest_s=0.25)([call], stop=stop)
    assert ahead == [0, 0, 0]
    assert device.rested_s == [0.25, 0.25, 0.25]


def test_the_buffer_is_four_times_the_l2_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, dict[str, object]]] = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda: SimpleNamespace(L2_cache_size=1000))
    monkeypatch.setattr(torch, "empty", lambda size, **how: made.append((size, how)))
    CudaTimer(flush_l2=True)
    assert made == [(4000, {"dtype": torch.int8, "device": "cuda"})]


def test_the_later_rounds_of_a_pass_keep_their_order() -> None:
    times = Times(calls_ms=[[1.0, 2.0, 3.0]], host_ms=[4.0, 5.0, 6.0], gaps_ms=[7.0, 8.0]).since(1)
    assert (times.calls_ms, times.host_ms, times.gaps_ms) == ([[2.0, 3.0]], [5.0, 6.0], [8.0])


def test_on_a_cpu_a_round_rests_then_runs_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[object] = []
    monkeypatch.setattr(timer, "sleep", happened.append)
    calls = [lambda: happened.append("forward"), lambda: happened.append("backward")]
    found = CpuTimer(rest_s=0.5)(calls, stop=rounds(2))
    assert happened == [0.5, "forward", "backward"] * 2
    assert [len(call_ms) for call_ms in found.calls_ms] == [2, 2]
    assert (found.host_ms, found.gaps_ms, found.duty) == ([], [], None)
