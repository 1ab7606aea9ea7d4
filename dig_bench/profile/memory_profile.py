"""Memory over one step: the timeline, and the peak by kind, by component and by tensor."""

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
"""Kinds of memory.

`inputs`: allocated before the step, and not the model's. `activations`: allocated in the forward pass.
`activation_gradients`: allocated in the backward pass, temporaries included, which cannot be separated there.
`workspace`: of libraries, of the optimizer, and what one operation or layer of the forward pass allocates and frees.
"""

BACKWARD = "backward_pass"
"""Component of backward allocations that cannot be traced to a module."""

MAX_POINTS = 2000
SHOWN = 0.001
"""Smallest change, as a share of the peak, that the timeline keeps: a third of a pixel in its figure."""
MAX_GROUPS = 20


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Kind of a known storage, and the name of its parameter or buffer."""

    kind: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """Storages of the model by address."""

    before: Mapping[int, Owner]
    """Storages alive before the step."""
    gradients: Mapping[int, str]
    """Gradients alive at the end of the backward pass -> parameter's name."""
    leaves: frozenset[str]
    """Paths of the modules without submodules."""


@dataclass(frozen=True, kw_only=True)
class TensorGroup:
    """Tensors of the same origin and size that are alive at the peak."""

    kind: str
    component: str
    name: str
    """Name of one of them: a parameter, or the module and operation that allocated it."""
    line: str
    """Line that allocated them, `dig_models/dig.py:88`; empty when unknown."""
    bytes: int
    """Bytes of each tensor."""
    count: int


@dataclass(frozen=True, kw_only=True)
class MemoryProfile:
    timeline: Sequence[tuple[float, int]]
    """(us since the step's first event, bytes), thinned to what a figure shows; the peak is kept."""
    peak_bytes: int
    peak_us: float
    peak_part: str
    """`forward`, `backward` or `optimizer`; empty when the peak precedes them."""
    before_bytes: int
    by_kind: Mapping[str, int]
    """Kind -> bytes at the peak, in the order of KINDS. The values add up to the peak."""
    by_component: Mapping[str, Mapping[str, int]]
    """Component -> kind -> bytes at the peak. The values add up to the peak."""
    largest: Sequence[TensorGroup]
    """The groups with the most bytes, at most MAX_GROUPS."""
    num_allocations: int
    """Allocations during the step."""
    allocator_peak_bytes: int | None = None
    """Peak in the allocator's own statistics; None on a CPU."""
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
    # allocated[0] is the value before event 0.
    peak = max(range(len(allocated)), key=allocated.__getitem__) - 1
    alive = [_described(each, trace, known) for each in trace.allocations if each.begin <= peak < each.end]
    by_component: dict[str, Counter[str]] = defaultdict(Counter)
    for group in alive:
        by_component[group.component][group.kind] += group.bytes
    by_kind = sum(by_component.values(), Counter[str]())
    points = list(zip([0.0, *trace.times_us], allocated, strict=True))
    return MemoryProfile(
        timeline=_thinned(points, peak=peak + 1),
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
    """Describes one allocation."""
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


def _thinned(points: Sequence[tuple[float, int]], *, peak: int) -> list[tuple[float, int]]:
    """Takes the highest point of each of MAX_POINTS stretches, then drops changes below SHOWN of the peak."""
    stretch = -(-len(points) // MAX_POINTS)
    highest = [max(points[i : i + stretch], key=lambda point: point[1]) for i in range(0, len(points), stretch)]
    kept = highest[:1]
    for point in highest[1:-1]:
        if point == points[peak] or abs(point[1] - kept[-1][1]) > SHOWN * points[peak][1]:
            kept.append(point)
    return [*kept, *highest[1:][-1:]]
