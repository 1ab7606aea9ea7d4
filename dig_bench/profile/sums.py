"""Sums of attributed work by component, by block and by kernel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from dig_bench.cell import Cell
from dig_bench.profile.attribution import Work
from dig_bench.profile.components import OPTIMIZER, block_of, component_of
from dig_bench.profile.record import ComponentTime, KernelTime
from dig_bench.profile.traffic import Moved
from dig_models import Backbone

UNLINKED = "unlinked_kernels"
"""Component of work that belongs to no known one. Its phase is unknown, too, and given as forward."""

BACKWARD_PASSES = 2
"""Forward passes that a backward pass counts as, in FLOPs and in bytes."""

ADAMW_PASSES = 7
"""AdamW reads each parameter, its gradient and two moments, and writes all of them but the gradient."""

ADAMW_TENSORS = 4

Sums = defaultdict[str, float]


def components(
    work: Sequence[Work],
    steps: int,
    *,
    model: Backbone,
    cell: Cell,
    traffic: Sequence[Moved],
    total_ms: float,
    cache_bytes: int | None = None,
) -> list[ComponentTime]:
    """Sums the work by component, in order of first work. Device time without a known component is UNLINKED."""
    ms: dict[str, Sums] = defaultdict(_sums)
    kernel_launches = _sums()
    for piece in work:
        ms[piece.component][piece.phase] += piece.ms / steps
        kernel_launches[piece.component] += piece.calls
    if unlinked_ms := unlinked(work, steps, total_ms):
        ms[UNLINKED]["forward"] += unlinked_ms
    passes = 1 + (BACKWARD_PASSES if cell.mode == "train" else 0)
    flops = {name: passes * count for name, count in model.flops(cell.batch_size).by_component.items()}
    weights = sum(each.numel() * each.element_size() for each in model.parameters())
    moved, cached = _sums(), _sums()
    for each in traffic:
        component = component_of(each.scope)
        moved[component] += passes * (each.weight_bytes + each.other_bytes)
        cached[component] += passes * each.cached_bytes(cache_bytes or 0, weights)
    if cell.mode == "train":
        moved[OPTIMIZER] += ADAMW_PASSES * weights
        cached[OPTIMIZER] += ADAMW_PASSES * weights if ADAMW_TENSORS * weights <= (cache_bytes or 0) else 0
    names = [*ms, *(name for name in flops if name not in ms)]
    return [
        ComponentTime(
            component=name,
            forward_ms=ms[name]["forward"],
            backward_ms=ms[name]["backward"],
            optimizer_ms=ms[name]["optimizer"],
            kernel_launches=kernel_launches[name] / steps,
            flops=float(flops.get(name, 0)),
            least_bytes=moved.get(name, 0.0),
            cached_bytes=None if cache_bytes is None else cached.get(name, 0.0),
        )
        for name in names
    ]


def unlinked(work: Sequence[Work], steps: int, total_ms: float) -> float:
    """Returns the ms per step that the profiler saw on the device without linking them; negative if it linked some
    twice."""
    left_ms = total_ms - sum(each.ms for each in work) / steps
    return left_ms if abs(left_ms) > 1e-6 * total_ms else 0.0


def blocks(work: Sequence[Work], steps: int) -> dict[str, float]:
    """Returns block -> ms per step."""
    found = _sums()
    for each in work:
        if block := block_of(each.scope):
            found[block] += each.ms / steps
    return dict(found)


def kernels(work: Sequence[Work], steps: int, total_ms: float) -> list[KernelTime]:
    """Returns the kernels, the longest first and unlinked ones last."""
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
