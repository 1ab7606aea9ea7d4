"""Takes the profile of one cell: unprofiled first, eager and as a CUDA graph, then with ranges and a profiler."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from dig_bench import environment
from dig_bench.cell import Cell
from dig_bench.execution import CaptureError, Inputs, Step, capture, forward_step, training_step
from dig_bench.gate import SEED, move, relative_error, tf32
from dig_bench.measure import latency
from dig_bench.measure.statistics import summarise
from dig_bench.profile.attribution import Work, attribute, device_ms
from dig_bench.profile.components import OPTIMIZER, block_of, component_of
from dig_bench.profile.ranges import PART, Traffic, ranges
from dig_bench.profile.record import ComponentTime, Gaps, KernelTime, Profile
from dig_bench.protocol import Protocol
from dig_models import Backbone, build, unavailable

STEPS = 5
"""Profiled in a row, after others of their kind, so that clocks and caches are those of a steady run."""

TIMING: dict[str, Any] = {
    "min_samples": 5,
    "max_samples": 200,
    "min_seconds": 0.5,
    "max_seconds": 3.0,
    "target_half_width": 0.01,
}

BACKWARD_PASSES = 2
"""A backward pass is taken to compute, and to read and write, twice what the forward pass does."""

ADAMW_PASSES = 7
"""Over all parameters: AdamW reads parameter, gradient and two moments, and writes all but the gradient."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    profile: Profile
    profiler: Any
    """torch.profiler's, of the eager steps, for exports."""


def take(cell: Cell, protocol: Protocol, say: Callable[[str], None], *, nvtx: bool = False) -> Taken:
    """The cell's execution is ignored: both are timed. ValueError, in one line, when the cell cannot run here, or when
    the backend disagrees with its reference; running out of memory stays what it is.
    """
    if reason := unavailable(cell.model, cell.backend, cell.device, cell.mode, cell.precision):
        raise ValueError(f"{cell.name}: {reason}")
    with tf32(cell.precision == "tf32"):
        say("building")
        model, step = _build(cell, protocol)
        latency.first_call_s(step, cell.device)
        _gate(cell, protocol)
        say("timing eager")
        on_cuda = cell.device == "cuda"
        eager_ms, host_ms = _latency(step, cell.device)
        graph = _time_graph(step, say) if on_cuda else None
        say("profiling")
        traffic: Traffic = {}
        # What a first round under ranges and profiler costs is no part of the profile.
        _profiled(model, step, on_cuda=on_cuda, steps=1, traffic=traffic, nvtx=False)
        profiler = _profiled(model, step, on_cuda=on_cuda, steps=STEPS, traffic=None, nvtx=nvtx)
        events = profiler.events()
        work = attribute(events, on_cuda=on_cuda)
    total_ms = (device_ms(events) if on_cuda else sum(each.ms for each in work)) / STEPS
    launches = sum(each.calls for each in work) / STEPS
    gaps = [Gaps(execution="eager", latency_ms=eager_ms, host_ms=host_ms, busy_ms=total_ms, launches=launches)]
    gaps += [graph] if graph is not None else []
    return Taken(
        profiler=profiler,
        profile=Profile(
            cell=cell.as_dict(),
            environment=environment.describe(cell.device),
            kernels_of_backend=model.kernels(),
            num_tokens=model.num_tokens,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            device_ms=total_ms,
            unprofiled_ms=min(each.latency_ms for each in gaps),
            components=_components(work, model, cell, traffic, total_ms),
            blocks=_blocks(work),
            kernels=_kernels(work, total_ms),
            gaps=gaps,
        ),
    )


def _build(cell: Cell, protocol: Protocol) -> tuple[Backbone, Step]:
    torch.manual_seed(SEED)
    model = build(
        cell.model, image_size=cell.resolution_px, backend=cell.backend, precision=cell.precision, device=cell.device
    )
    move(model, protocol.gate_noise)
    inputs = Inputs.random(model, cell.batch_size)
    return model, training_step(model, model, inputs) if cell.mode == "train" else forward_step(model, inputs)


def _gate(cell: Cell, protocol: Protocol) -> None:
    error = relative_error(
        cell.model,
        cell.backend,
        precision=cell.precision,
        mode=cell.mode,
        device=cell.device,
        grid=protocol.gate_grid,
        noise=protocol.gate_noise,
    )
    tolerance = protocol.tolerance(cell.precision)
    if not error <= tolerance:
        raise ValueError(f"{cell}: relative error {error:.2g} to the reference, above {tolerance:g}")


def _latency(step: Step, device: str) -> tuple[float, float | None]:
    """Median ms of a step, and of the host issuing it. Without a cold cache: the profiled steps have none either."""
    timer = latency.timer_for(device, flush_l2=False)
    parts = list(step.parts.values())
    latency.warm_up(parts, timer, agreement=0.02, max_rounds=200, max_seconds=1.0)
    times = latency.sample(parts, timer, **TIMING)
    return summarise(times.total_ms).median, summarise(times.host_ms).median if times.host_ms else None


def _time_graph(step: Step, say: Callable[[str], None]) -> Gaps | None:
    """None where the step cannot be captured."""
    say("timing the graph")
    try:
        graph = capture(step)
    except CaptureError:
        return None
    latency_ms, host_ms = _latency(graph, "cuda")
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        for _ in range(STEPS):
            graph()
        torch.cuda.synchronize()
    kernels = [event for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    found = Gaps(
        execution="graph",
        latency_ms=latency_ms,
        host_ms=host_ms,
        busy_ms=device_ms(kernels) / STEPS,
        launches=len(kernels) / STEPS,
    )
    del graph
    gc.collect()
    torch.cuda.empty_cache()
    return found


def _profiled(
    model: Backbone, step: Step, *, on_cuda: bool, steps: int, traffic: Traffic | None, nvtx: bool
) -> profile:
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    marks: AbstractContextManager[Any] = torch.autograd.profiler.emit_nvtx() if nvtx and on_cuda else nullcontext()
    with ranges(model, traffic=traffic, nvtx=nvtx), marks, profile(activities=activities, acc_events=True) as profiler:
        for _ in range(steps):
            for name, part in step.parts.items():
                with record_function(PART + name):
                    part()
        if on_cuda:
            torch.cuda.synchronize()
    return profiler


def _components(
    work: Sequence[Work], model: Backbone, cell: Cell, traffic: Traffic, total_ms: float
) -> list[ComponentTime]:
    """In the order of their first work; what the profiler saw on the device but could not link is a component, too."""
    ms: dict[str, Counter[str]] = defaultdict(Counter)
    launches: Counter[str] = Counter()
    for each in work:
        ms[each.component][each.phase] += each.ms / STEPS
        launches[each.component] += each.calls
    unlinked_ms = total_ms - sum(sum(phases.values()) for phases in ms.values())
    if unlinked_ms > 1e-6 * total_ms:
        ms["unlinked_kernels"]["forward"] += unlinked_ms
    passes = 1 + (BACKWARD_PASSES if cell.mode == "train" else 0)
    flops = {name: passes * count for name, count in model.flops(cell.batch_size).by_component.items()}
    moved: Counter[str] = Counter()
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
            launches=launches[name] / STEPS,
            flops=float(flops.get(name, 0)),
            least_bytes=float(moved.get(name, 0)),
        )
        for name in names
    ]


def _blocks(work: Sequence[Work]) -> dict[str, float]:
    found: Counter[str] = Counter()
    for each in work:
        if block := block_of(each.scope):
            found[block] += each.ms / STEPS
    return dict(found)


def _kernels(work: Sequence[Work], total_ms: float) -> list[KernelTime]:
    """The longest first."""
    sums: dict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for each in work:
        entry = sums[each.name, each.component, each.phase]
        entry[0] += each.ms / STEPS
        entry[1] += each.calls / STEPS
    return [
        KernelTime(name=name, component=component, phase=phase, calls=calls, total_ms=ms, share=ms / total_ms)
        for (name, component, phase), (ms, calls) in sorted(sums.items(), key=lambda item: -item[1][0])
    ]
