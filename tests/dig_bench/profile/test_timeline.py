"""Gaps between kernels, over hand-written traces: nested and overlapping kernels, copies, steps."""

from collections.abc import Sequence
from random import Random

import pytest
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent

from dig_bench.profile.timeline import MIN_STEPS, UNSETTLED, timeline

Kernel = tuple[str, float, float]
"""Name, begin and end in us."""

STEP_US = 1000.0
STEPS = UNSETTLED + MIN_STEPS


def trace(*steps: Sequence[Kernel]) -> list[FunctionEvent]:
    """Each step begins a ms after the one before. The host's calls and an annotation are events, too."""
    events = [FunctionEvent(id=0, name="cudaGraphLaunch", thread=1, start_us=0.0, end_us=9e9)]
    for number, kernels in enumerate(steps):
        for name, begin_us, end_us in kernels:
            events.append(_on_device(name, number * STEP_US + begin_us, number * STEP_US + end_us))
    note = _on_device("Optimizer.step#AdamW.step", 0.0, 9e9)
    note.is_user_annotation = True
    return [*events, note]


def _on_device(name: str, begin_us: float, end_us: float) -> FunctionEvent:
    return FunctionEvent(id=0, name=name, thread=7, start_us=begin_us, end_us=end_us, device_type=DeviceType.CUDA)


@pytest.mark.parametrize(
    ("kernels", "gap_us", "span_us", "busy_us"),
    [
        pytest.param([("a", 0, 100), ("b", 100, 150), ("c", 150, 151)], 0, 151, 151, id="back to back"),
        pytest.param([("a", 0, 100), ("b", 105, 150), ("c", 152, 160)], 7, 160, 153, id="gaps"),
        pytest.param([("a", 0, 100), ("b", 60, 150), ("c", 155, 160)], 5, 160, 195, id="overlapping streams"),
        pytest.param([("a", 0, 100), ("b", 10, 20), ("c", 30, 40), ("d", 104, 110)], 4, 110, 126, id="nested"),
        pytest.param([("a", 0, 100), ("b", 10, 20), ("c", 90, 95)], 0, 100, 115, id="the first one ends last"),
        pytest.param([("a", 10, 20), ("Memcpy DtoD", 22, 30), ("Memset", 31, 32)], 3, 22, 19, id="copies and fills"),
        pytest.param([("a", 5, 6)], 0, 1, 1, id="one kernel"),
    ],
)
def test_a_gap_is_the_next_start_minus_the_last_end(
    kernels: list[Kernel], gap_us: float, span_us: float, busy_us: float
) -> None:
    """The time between the steps, most of a ms, is none."""
    found = timeline(trace(*[kernels] * STEPS), STEPS)
    assert found.gap_ms == pytest.approx(gap_us / 1e3)
    assert found.span_ms == pytest.approx(span_us / 1e3)
    assert found.busy_ms == pytest.approx(busy_us / 1e3)
    assert found.kernel_launches == len(kernels)


@pytest.mark.parametrize("seed", range(20))
def test_a_gap_is_what_no_kernel_of_random_streams_covers(seed: int) -> None:
    """Counts the microseconds without a kernel, one by one."""
    random = Random(seed)
    kernels: list[Kernel] = []
    for _ in range(random.randint(1, 4)):
        now_us = random.randint(0, 30)
        for _ in range(random.randint(1, 8)):
            end_us = now_us + random.randint(1, 30)
            kernels.append((f"kernel {random.randint(0, 3)}", now_us, end_us))
            now_us = end_us + random.choice([0, 0, 1, 5, 40])
    covered = {us for _, begin_us, end_us in kernels for us in range(int(begin_us), int(end_us))}
    span_us = max(covered) + 1 - min(covered)
    found = timeline(trace(*[kernels] * STEPS), STEPS)
    assert found.gap_ms == pytest.approx((span_us - len(covered)) / 1e3, abs=1e-9)
    assert found.span_ms == pytest.approx(span_us / 1e3)


def test_kernels_may_come_in_any_order() -> None:
    events = trace(*[[("b", 105, 150), ("a", 0, 100)]] * STEPS)
    assert timeline(reversed(events), STEPS).gap_ms == pytest.approx(0.005)


def test_the_first_steps_do_not_count_and_of_the_others_the_median_does() -> None:
    def step(gap_us: float) -> list[Kernel]:
        return [("a", 0, 100), ("b", 100 + gap_us, 200 + gap_us)]

    gaps_us = [500, 500, 4, 6, 5, 400, 5]
    found = timeline(trace(*map(step, gaps_us)), len(gaps_us))
    assert found.gap_ms == pytest.approx(0.005)
    assert found.span_ms == pytest.approx(0.205)


def test_a_drift_over_the_steps_is_seen() -> None:
    steady = timeline(trace(*[[("a", 0, 100)]] * 12), 12)
    slowing = timeline(trace(*[[("a", 0, 100 + 2 * number)] for number in range(12)]), 12)
    assert steady.trend is not None
    assert steady.trend.is_steady(0.02)
    assert slowing.trend is not None
    assert not slowing.trend.is_steady(0.02)
    assert slowing.trend.drift == pytest.approx(18 / 113, rel=0.05)


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([[("a", 0, 100)]] * (STEPS - 1) + [[("a", 0, 90), ("Memset", 95, 105)]], id="of other numbers"),
        pytest.param([[("a", 0, 50), ("b", 60, 110)]] * (STEPS - 1) + [[("a", 0, 50), ("a", 60, 110)]], id="of others"),
        pytest.param([[("a", 0, 50), ("b", 60, 110)]] * (STEPS - 1), id="too few"),
    ],
)
def test_steps_of_different_kernels_have_means_but_no_gaps(steps: list[list[Kernel]]) -> None:
    found = timeline(trace(*steps), len(steps))
    assert (found.gap_ms, found.span_ms, found.trend) == (None, None, None)
    assert found.busy_ms == pytest.approx(0.1, rel=0.01)
    assert found.kernel_launches == pytest.approx(sum(map(len, steps)) / len(steps))
