"""Sums of attributed work: by component, by block, by kernel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from dig_bench.cell import Cell
from dig_bench.profile.attribution import Work
from dig_bench.profile.components import OPTIMIZER, block_of, component_of
from dig_bench.profile.record import ComponentTime, KernelTime
from dig_models import Backbone

UNLINKED = "unlinked_kernels"
"""The component of what belongs to no known one; its phase is not known either, and is given as forward."""

BACKWARD_PASSES = 2
"""A backward pass is taken to compute, and to read and write, twice what the forward pass does."""

ADAMW_PASSES = 7
"""Over all parameters: AdamW reads parameter, gradient and two moments, and writes all but the gradient."""

Sums = defaultdict[str, float]


def components(
    work: Sequence[Work], steps: int, *, model: Backbone, cell: Cell, traffic: Mapping[str, float], total_ms: float
) -> list[ComponentTime]:
    """In the order of their first work; what the profiler saw on the device but could not link is a component, too."""
    ms: dict[str, Sums] = defaultdict(_sums)
    launches = _sums()
    for each in work:
        ms[each.component][each.phase] += each.ms / steps
        launches[each.component] += each.calls
    if unlinked_ms := unlinked(work, steps, total_ms):
        ms[UNLINKED]["forward"] += unlinked_ms
    passes = 1 + (BACKWARD_PASSES if cell.mode == "train" else 0)
    flops = {name: passes * count for name, count in model.flops(cell.batch_size).by_component.items()}
    moved = _sums()
    for scope, read_and_written in traffic.items():
        moved[component_of(scope)] += passes * read_and_written
    if cell.mode == "train":
        weights = sum(each.numel() * each.element_size() for each in model.parameters())
        moved[OPTIMIZER] += ADAMW_PASSES * weights
    names = [*ms, *(name for name in flops if name not in ms)]
    return [
        ComponentTime(
            component=name,
            forward_ms=ms[name]["forward"],
            backward_ms=ms[name]["backward"],
            optimizer_ms=ms[name]["optimizer"],
            launches=launches[name] / steps,
            flops=float(flops.get(name, 0)),
            least_bytes=moved.get(name, 0.0),
        )
        for name in names
    ]


def unlinked(work: Sequence[Work], steps: int, total_ms: float) -> float:
    """ms a step that the profiler saw on the device and could not link; below zero where it linked some twice."""
    left_ms = total_ms - sum(each.ms for each in work) / steps
    return left_ms if abs(left_ms) > 1e-6 * total_ms else 0.0


def blocks(work: Sequence[Work], steps: int) -> dict[str, float]:
    """Block -> ms a step."""
    found = _sums()
    for each in work:
        if block := block_of(each.scope):
            found[block] += each.ms / steps
    return dict(found)


def kernels(work: Sequence[Work], steps: int, total_ms: float) -> list[KernelTime]:
    """The longest first, and what could not be linked last."""
    sums: dict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for each in work:
        entry = sums[each.name, each.component, each.phase]
        entry[0] += each.ms / steps
        entry[1] += each.calls / steps
    found = sorted(sums.items(), key=lambda item: -item[1][0])
    if unlinked_ms := unlinked(work, steps, total_ms):
        found.append(((UNLINKED, UNLINKED, "forward"), [unlinked_ms, 0.0]))
    return [
        KernelTime(name=name, component=component, phase=phase, calls=calls, total_ms=ms, share=ms / total_ms)
        for (name, component, phase), (ms, calls) in found
    ]


def _sums() -> Sums:
    return defaultdict(float)
