"""Traces on the CPU: the warm-up is no part of them, and an error detaches the profiler."""

import pytest
import torch

from dig_bench.profile import trace
from dig_bench.profile.trace import record


@pytest.mark.parametrize("warm_up_s", [0.0, 0.01])
def test_only_the_steps_after_the_warm_up_are_recorded(warm_up_s: float) -> None:
    ran = 0

    def step() -> None:
        nonlocal ran
        ran += 1
        torch.zeros(8).mul_(2)

    events = record(step, device="cpu", steps=3, warm_up_s=warm_up_s).events()
    assert sum(event.name == "aten::mul_" for event in events) == 3
    assert (ran > 3) == bool(warm_up_s)


@pytest.mark.parametrize("first_error", [1, 40])
def test_a_step_that_fails_leaves_no_profiler_behind(first_error: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails in the warm-up, of 30 rounds, or in the trace."""
    ran = 0

    def step() -> None:
        nonlocal ran
        ran += 1
        if ran >= first_error:
            raise RuntimeError("out of memory")

    monkeypatch.setattr(trace, "after", lambda seconds: lambda times: len(times.calls_ms[0]) >= 30)
    with pytest.raises(RuntimeError, match="out of memory"):
        record(step, device="cpu", steps=20, warm_up_s=1.0)
    assert (ran == 1) == (first_error == 1)
    found = record(lambda: torch.zeros(8).mul_(2), device="cpu", steps=2).events()
    assert sum(event.name == "aten::mul_" for event in found) == 2
