"""Memory over one step: the timeline, and what its peak is made of, by kind, by component, by line."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from dig_bench.profile.allocations import RELEASE, Allocation, Trace
from dig_bench.profile.components import OPTIMIZER, OUTSIDE, component_of

WEIGHTS, GRADIENTS, STATE, INPUTS, ACTIVATIONS, ACTIVATION_GRADIENTS, WORKSPACE, OTHER = KINDS = (
    "weights",
    "gradients",
    "optimizer_state",
    "inputs",
    "activations",
    "activation_gradients",
    "workspace",
    "other",
)
"""`inputs` is all that lay there before the step and is none of the model's. `activations` were made in the forward
pass, `activation_gradients` in the backward pass: what it works with, and what it hands on. `workspace` is the
libraries' own, the optimiser's, and what one operation or layer of the forward pass made and dropped; in the backward
pass that cannot be told apart."""

BACKWARD = "backward_pass"
"""The component of what a backward pass made where nothing says for which module."""

MAX_POINTS = 2000
MAX_GROUPS = 20


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Of a known storage: its kind, and the parameter or buffer that it is of."""

    kind: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the recording knew of the model; keys are addresses of storages."""

    before: Mapping[int, Owner]
    """Alive before the step."""
    gradients: Mapping[int, str]
    """Alive when the backward pass ended; the parameter's name."""
    leaves: frozenset[str]
    """Paths of the modules without modules in them."""


@dataclass(frozen=True, kw_only=True)
class TensorGroup:
    """Tensors alike that were alive at the peak."""

    kind: str
    component: str
    name: str
    """Of one of them: a parameter, or the module and operation that it was made in."""
    line: str
    """That made them, `dig_models/dig.py:88`; empty where none is known."""
    bytes: int
    """Of each."""
    count: int


@dataclass(frozen=True, kw_only=True)
class MemoryProfile:
    timeline: Sequence[tuple[float, int]]
    """Time in us since the step's first event, bytes; thinned to MAX_POINTS or fewer, the peak among them."""
    peak_bytes: int
    peak_us: float
    peak_part: str
    """`forward`, `backward` or `optimizer`; empty where the peak lay before all of them."""
    before_bytes: int
    by_kind: Mapping[str, int]
    """Bytes at the peak, in the order of KINDS; adds up to the peak."""
    by_component: Mapping[str, Mapping[str, int]]
    """Component -> kind -> bytes at the peak; adds up to the peak, too."""
    largest: Sequence[TensorGroup]
    """By their bytes together, at most MAX_GROUPS."""
    num_allocations: int
    """During the step."""
    allocator_peak_bytes: int | None = None
    """By the allocator's own statistics; None on a CPU, where there are none."""
    notes: Sequence[str] = field(default_factory=tuple)


def analyse(
    trace: Trace, known: Known, *, allocator_peak_bytes: int | None = None, notes: Sequence[str] = ()
) -> MemoryProfile:
    before = sum(each.bytes for each in trace.allocations if each.begin < 0)
    changes = [0] * len(trace.times_us)
    for each in trace.allocations:
        if 0 <= each.begin < len(changes):
            changes[each.begin] += each.bytes
        if each.end < len(changes):
            changes[each.end] -= each.bytes
    allocated = list(accumulate(changes, initial=before))
    # The first figure is that before event 0.
    peak = max(range(len(allocated)), key=allocated.__getitem__) - 1
    alive = [_described(each, trace, known) for each in trace.allocations if each.begin <= peak < each.end]
    by_component: dict[str, Counter[str]] = defaultdict(Counter)
    for group in alive:
        by_component[group.component][group.kind] += group.bytes
    by_kind = sum(by_component.values(), Counter[str]())
    points = list(zip([0.0, *trace.times_us], allocated, strict=True))
    return MemoryProfile(
        timeline=_thinned(points),
        peak_bytes=allocated[peak + 1],
        peak_us=points[peak + 1][0],
        peak_part=next((name for name, (begin, end) in trace.parts.items() if begin <= peak < end), ""),
        before_bytes=before,
        by_kind={kind: by_kind[kind] for kind in KINDS if by_kind[kind]},
        by_component={name: dict(kinds) for name, kinds in by_component.items()},
        largest=_largest(alive),
        num_allocations=sum(0 <= each.begin < len(changes) for each in trace.allocations),
        allocator_peak_bytes=allocator_peak_bytes,
        notes=tuple(notes),
    )


def _described(allocation: Allocation, trace: Trace, known: Known) -> TensorGroup:
    """What is known of one."""
    if owner := _owner(allocation, trace, known):
        kind, name = owner.kind, owner.name
        component = component_of(name.rpartition(".")[0]) if name else OUTSIDE
    else:
        kind, name, component = _kind(allocation, trace, known), allocation.scope or "", _component(allocation)
    return TensorGroup(kind=kind, component=component, name=name, line=allocation.line, bytes=allocation.bytes, count=1)


def _owner(allocation: Allocation, trace: Trace, known: Known) -> Owner | None:
    if allocation.begin < 0:
        return known.before.get(allocation.address, Owner(kind=INPUTS, name=""))
    _, end = trace.parts.get("backward", (0, 0))
    if allocation.address in known.gradients and allocation.begin < end <= allocation.end:
        return Owner(kind=GRADIENTS, name=known.gradients[allocation.address])
    return None


def _kind(allocation: Allocation, trace: Trace, known: Known) -> str:
    begin, end = trace.parts.get(RELEASE, (0, 0))
    if begin <= allocation.end < end:
        return WORKSPACE
    scope = allocation.scope
    is_one_operation = scope is not None and (":" in scope or scope in known.leaves)
    if is_one_operation and allocation.end < allocation.scope_end:
        return WORKSPACE
    return {"forward": ACTIVATIONS, "backward": ACTIVATION_GRADIENTS, "optimizer": WORKSPACE}.get(
        allocation.part, OTHER
    )


def _component(allocation: Allocation) -> str:
    if allocation.scope is not None:
        return component_of(allocation.scope)
    # A backward pass has no modules, but the files of an operation's own kernels say which it is.
    if found := re.search(r"kernels/(\w+)/", allocation.line):
        return component_of(f":{found[1]}")
    return {"backward": BACKWARD, "optimizer": OPTIMIZER}.get(allocation.part, OUTSIDE)


def _largest(alive: Sequence[TensorGroup]) -> list[TensorGroup]:
    same: dict[tuple[str, str, str, int], list[TensorGroup]] = defaultdict(list)
    for each in alive:
        same[each.kind, each.component, each.line, each.bytes].append(each)
    groups = [replace(found[0], count=len(found)) for found in same.values()]
    return sorted(groups, key=lambda group: -group.bytes * group.count)[:MAX_GROUPS]


def _thinned(points: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """The highest of each stretch of points."""
    stretch = -(-len(points) // MAX_POINTS)
    return [max(points[i : i + stretch], key=lambda point: point[1]) for i in range(0, len(points), stretch)]
