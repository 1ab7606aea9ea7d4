"""Executions of a step: timed as a sweep times it, traced afterwards. There is no GPU here: its graph is a fake."""

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from dig_bench.cell import Cell
from dig_bench.measure.steady_state import Trend
from dig_bench.profile import gaps
from dig_bench.profile.gaps import Timed
from dig_bench.profile.record import Gaps
from dig_bench.profile.timeline import Timeline
from dig_bench.protocol import Protocol
from dig_bench.run.capture import CaptureError
from dig_bench.run.step import Step
from profile_tasks import QUICK

CELL = Cell(model="DiG-S/2", backend="fused", resolution_px=256, batch_size=4, device="cuda")
STEADY = Trend(drift=0.001, per_s=0.001, noise=0.001)
TRACED = Timeline(busy_ms=8.0, kernel_launches=100.0, span_ms=8.2, gap_ms=0.2, trend=STEADY)
STEP = Step(parts={"forward": lambda: None}, outputs=[])


class FakePasses:
    """Passes of a GPU in the power limit; `order` collects what was done to which execution."""

    order: ClassVar[list[str]] = []

    def __init__(self, cell: Cell, protocol: Protocol, say: Any, monitor: object) -> None:
        assert not protocol.flush_l2
        self.cell = cell
        self.doubts = ["host-bound"] if cell.execution == "eager" else []
        self.harmful: set[str] = set()
        self.values: dict[str, Any] = {}

    def time(self, step: Step) -> None:
        self.order.append(f"time {self.cell.execution}")
        median = 10.0 if self.cell.execution == "eager" else 8.3
        self.values |= {"latency_ms_median": median, "latency_ms_ci_low": median - 0.1}
        self.values |= {"latency_ms_ci_high": median + 0.1, "host_ms_median": 9.0}
        self.values["timing_throttle_reasons"] = "application_clocks sw_power_cap"

    def measure_energy(self, step: Step) -> None:
        self.order.append(f"energy {self.cell.execution}")
        self.values |= {"energy_j_per_image": 1.5, "power_w_mean": 700.0, "sm_clock_mhz": 1700.0}

    def look_again(self, step: Step) -> None:
        self.order.append(f"look {self.cell.execution}")


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    def trace(step: Step, latency_ms: float) -> Timeline:
        FakePasses.order.append(f"trace of {latency_ms} ms")
        return TRACED

    monkeypatch.setattr(FakePasses, "order", [])
    monkeypatch.setattr(gaps, "Passes", FakePasses)
    monkeypatch.setattr(gaps, "trace", trace)
    monkeypatch.setattr(gaps, "capture", lambda step: step)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)
    return FakePasses.order


def test_all_timings_come_before_the_first_trace(order: list[str]) -> None:
    gaps.measure(STEP, CELL, Protocol(), monitor=None, say=lambda text: None)
    passes = ("time", "energy", "look")
    timings = [f"{each} {execution}" for execution in ("eager", "graph") for each in passes]
    assert order == [*timings, "trace of 8.3 ms", "trace of 10.0 ms"]


def test_both_executions_are_built_alike(order: list[str]) -> None:
    found = gaps.measure(STEP, CELL, Protocol(), monitor=None, say=lambda text: None)
    eager, graph = found.gaps(replace(TRACED, busy_ms=99.0))
    assert found.notes == ["eager: host-bound"]
    assert graph == replace(
        eager, execution="graph", latency_ms=8.3, latency_low_ms=pytest.approx(8.2), latency_high_ms=pytest.approx(8.4)
    )
    assert (eager.joules, eager.power_w, eager.busy_ms, eager.gap_ms) == (6.0, 700.0, 8.0, 0.2)
    assert graph.is_power_capped
    assert graph.gap_us_per_launch == pytest.approx(2.0)
    assert graph.gap_share == pytest.approx(0.2 / 8.2)


def test_a_step_without_a_graph_says_why(order: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def capture(step: Step) -> Step:
        raise CaptureError("it synchronises")

    monkeypatch.setattr(gaps, "capture", capture)
    found = gaps.measure(STEP, CELL, Protocol(), monitor=None, say=lambda text: None)
    assert [each.execution for each in found.gaps(TRACED)] == ["eager"]
    assert found.notes == ["eager: host-bound", "no CUDA graph: it synchronises"]


def test_on_a_cpu_there_is_one_execution_without_gaps() -> None:
    cell = replace(CELL, device="cpu", batch_size=1)
    found = gaps.measure(STEP, cell, Protocol(**QUICK), monitor=None, say=lambda text: None)
    profiled = Timeline(busy_ms=3.0, kernel_launches=7.0, span_ms=None, gap_ms=None, trend=None)
    (eager,) = found.gaps(profiled)
    assert (eager.busy_ms, eager.kernel_launches) == (3.0, 7.0)
    assert eager.latency_ms > 0
    assert (eager.gap_ms, eager.gap_share, eager.gap_us_per_launch, eager.trace_excess) == (None,) * 4
    assert (eager.joules, eager.is_power_capped, eager.shows_gaps) == (None, None, False)


@pytest.mark.parametrize(
    ("traced", "words"),
    [
        (TRACED, []),
        (replace(TRACED, span_ms=9.0), ["takes 9 ms, +12.5 % against the untraced one"]),
        (replace(TRACED, span_ms=None, gap_ms=None, trend=None), ["cannot be divided"]),
        (replace(TRACED, trend=Trend(drift=-0.05, per_s=-0.1, noise=0.001)), ["drift by -5.0 %"]),
    ],
)
def test_a_trace_that_differs_from_the_untraced_step_or_drifts_is_doubted(traced: Timeline, words: list[str]) -> None:
    columns = {"latency_ms_median": 8.0, "latency_ms_ci_low": None, "latency_ms_ci_high": None}
    found: Gaps = gaps.combine(Timed(cell=replace(CELL, execution="graph"), columns=columns), traced)
    said = list(gaps.doubts(found, traced))
    assert len(said) == len(words)
    assert all(word in line for word, line in zip(words, said, strict=True))
