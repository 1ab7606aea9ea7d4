"""Attributes the kernels of profiled steps (on a CPU, the operators) to scopes and components.

In the forward pass, a kernel belongs to the innermost range around its launch. In the backward pass, it belongs to the
range of the forward operator that made the autograd node, found by the sequence number that both share. Gradient
accumulation and the optimizer have components of their own, so that all parts add up to the whole.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent

from dig_bench.profile.components import GRADIENTS, OPTIMIZER, OUTSIDE, component_of
from dig_bench.profile.ranges import PART, SCOPE

NOT_OPERATORS = re.compile(
    r"cu(da)?[A-Z]|(Command Buffer Full|Activity Buffer Request|Buffer Flush|Instrumentation|Resource|Driver Compiler"
    r"|Lazy Function Loading|Runtime Triggered Module Loading|UVM Activity Init|Unknown|Unrecognized)$"
)
"""Names of CUDA's calls, such as cudaLaunchKernel and cuLaunchKernelEx, and of what kineto lists as overhead."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Time of one kernel for one scope in one phase, over all profiled steps."""

    scope: str
    component: str
    phase: str
    name: str
    """Name of the kernel; on a CPU, of the operator."""
    ms: float
    calls: int


def attribute(events: Iterable[FunctionEvent], *, on_cuda: bool) -> list[Work]:
    """Attributes the events of a profile taken inside `ranges`, with the steps' parts in ranges named PART + name."""
    events = list(events)
    notes = _notes(events)
    # CUDA numbers its calls, PyTorch numbers operators: equal numbers would link a kernel to both.
    events = [event for event in events if event.device_type == DeviceType.CPU and not NOT_OPERATORS.match(event.name)]
    phases = _Phases(events)
    creators = _creators(events)
    sums: dict[tuple[str, str, str, str], list[float]] = defaultdict(lambda: [0.0, 0])
    for event in events:
        phase = phases.at(event.time_range.start)
        if phase is None:
            continue
        scope, op = _origin(event, creators)
        component = component_of(scope, op) if scope is not None else _without_scope(event, phase)
        for name, us, calls in _pieces(event, notes, on_cuda=on_cuda):
            entry = sums[scope or "", component, phase, name]
            entry[0] += us / 1e3
            entry[1] += calls
    return [
        Work(scope=scope, component=component, phase=phase, name=name, ms=ms, calls=int(calls))
        for (scope, component, phase, name), (ms, calls) in sums.items()
        if ms or calls
    ]


def device_ms(events: Iterable[FunctionEvent]) -> float:
    """Returns the sum of all kernels, copies and fills."""
    return sum(event.time_range.elapsed_us() / 1e3 for event in on_device(events))


def on_device(events: Iterable[FunctionEvent]) -> list[FunctionEvent]:
    """Returns the kernels, copies and fills."""
    events = list(events)
    notes = _notes(events)
    return [event for event in events if event.device_type == DeviceType.CUDA and event.name not in notes]


def _notes(events: Iterable[FunctionEvent]) -> set[str]:
    """Names of `record_function` ranges, which the profiler also lists among the kernels, with all the time they span.

    PyTorch's optimizers set one around each step.
    """
    return {event.name for event in events if event.is_user_annotation}


class _Phases:
    """Times of the steps' parts, by the host's clock."""

    def __init__(self, events: Iterable[FunctionEvent]) -> None:
        parts = sorted(
            (event.time_range.start, event.time_range.end, event.name.removeprefix(PART))
            for event in events
            if event.name.startswith(PART)
        )
        self._starts = [start for start, _, _ in parts]
        self._parts = parts

    def at(self, time_us: float) -> str | None:
        index = bisect_right(self._starts, time_us) - 1
        if index < 0 or time_us > self._parts[index][1]:
            return None
        return self._parts[index][2]


def _creators(events: Iterable[FunctionEvent]) -> dict[int, FunctionEvent]:
    """Returns sequence number -> forward operator that made the node, the last one to begin under that number."""
    found: dict[int, FunctionEvent] = {}
    for event in sorted(events, key=lambda event: event.time_range.start):
        if event.sequence_nr >= 0 and not _runs_a_node(event) and not _is_range(event.name) and not _in_node(event):
            found[event.sequence_nr] = event
    return found


def _origin(event: FunctionEvent, creators: dict[int, FunctionEvent]) -> tuple[str | None, str]:
    """Returns the scope and the operator's name there; None for work that no module asked for."""
    op = "" if _is_range(event.name) else event.name
    for above in _upwards(event):
        if above.name.startswith(SCOPE):
            return above.name.removeprefix(SCOPE), op
        if _runs_a_node(above):
            creator = creators.get(above.sequence_nr)
            return (None, "") if creator is None else _origin(creator, {})
        if not _is_range(above.name):
            # A GEMM is known by aten::mm as well as by aten::linear; for a copy, its parent says more.
            op = above.name if not op or above.name.startswith("aten::flip") else op
    return (None, "")


def _upwards(event: FunctionEvent) -> Iterator[FunctionEvent]:
    current: FunctionEvent | None = event
    while current is not None:
        yield current
        current = current.cpu_parent


def _without_scope(event: FunctionEvent, phase: str) -> str:
    if phase == "optimizer":
        return OPTIMIZER
    if any("AccumulateGrad" in above.name for above in _upwards(event)):
        return GRADIENTS
    return OUTSIDE


def _pieces(event: FunctionEvent, notes: set[str], *, on_cuda: bool) -> Iterator[tuple[str, float, int]]:
    """Name, us and calls of what the event itself did."""
    if on_cuda:
        for kernel in event.kernels:
            if kernel.name not in notes:
                yield kernel.name, float(kernel.duration), 1
    else:
        # What a range does by itself is Python between operators.
        yield ("python" if _is_range(event.name) else event.name), float(event.self_cpu_time_total), 1


def _runs_a_node(event: FunctionEvent) -> bool:
    return event.name.startswith("autograd::engine::evaluate_function")


def _in_node(event: FunctionEvent) -> bool:
    return any(map(_runs_a_node, _upwards(event)))


def _is_range(name: str) -> bool:
    return name.startswith((SCOPE, PART))
