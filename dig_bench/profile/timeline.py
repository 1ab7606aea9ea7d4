"""Device timeline of a trace of equal steps: busy time, and gaps in which no kernel, copy or fill runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from torch.autograd.profiler_util import FunctionEvent

from dig_bench.measure import steady_state
from dig_bench.profile.attribution import on_device

UNSETTLED = 2
"""Steps at the start of a trace that do not count: the device waited for the profiler before them."""

MIN_STEPS = 3
"""Fewest steps that count for a gap."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A kernel, copy or fill on the device."""

    name: str
    begin_us: float
    end_us: float


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Medians over the steps of a trace. None where the trace cannot be divided into equal steps."""

    busy_ms: float
    """Sum of the times of a step's kernels; longer than the time in which the device is busy if some overlap."""
    kernel_launches: float
    span_ms: float | None
    """Time from the start of a step's first kernel to the end of its last one."""
    gap_ms: float | None
    """Part of the span in which nothing runs."""
    trend: steady_state.Trend | None
    """Change of the span from step to step; None for steps that cannot be separated."""


def timeline(events: Iterable[FunctionEvent], steps: int) -> Timeline:
    """Returns the timeline of a trace that holds nothing but `steps` steps one after the other.

    Gaps between steps do not count. Steps are separated by their numbers of kernels. If those differ, as where an
    eager step fills a buffer now and then, there are only means over all steps.
    """
    work = sorted(
        (
            Work(name=event.name, begin_us=event.time_range.start, end_us=event.time_range.end)
            for event in on_device(events)
        ),
        key=lambda each: each.begin_us,
    )
    parts = _divide(work, steps)[UNSETTLED:]
    if len(parts) < MIN_STEPS:
        busy_ms = sum(each.end_us - each.begin_us for each in work) / 1e3
        return Timeline(
            busy_ms=busy_ms / steps, kernel_launches=len(work) / steps, span_ms=None, gap_ms=None, trend=None
        )
    spans = [(max(each.end_us for each in part) - part[0].begin_us) / 1e3 for part in parts]
    ends_s = [max(each.end_us for each in part) / 1e6 for part in parts]
    return Timeline(
        busy_ms=median(sum(each.end_us - each.begin_us for each in part) / 1e3 for part in parts),
        kernel_launches=float(len(parts[0])),
        span_ms=median(spans),
        gap_ms=median(gap_us(part) / 1e3 for part in parts),
        trend=steady_state.fit(ends_s, spans),
    )


def gap_us(work: Sequence[Work]) -> float:
    """Returns the time within this work, sorted by its start, in which nothing runs.

    The next start minus the last end so far: kernels that overlap, or lie within others, are one.
    """
    idle_us, last_end_us = 0.0, work[0].end_us
    for each in work[1:]:
        idle_us += max(0.0, each.begin_us - last_end_us)
        last_end_us = max(last_end_us, each.end_us)
    return idle_us


def _divide(work: Sequence[Work], steps: int) -> list[Sequence[Work]]:
    """Divides the work into steps of the same kernels; empty if there are no such steps."""
    count, rest = divmod(len(work), steps)
    if not count or rest:
        return []
    parts = [work[first : first + count] for first in range(0, len(work), count)]
    names = [Counter(each.name for each in part) for part in parts]
    return parts if all(each == names[0] for each in names) else []
