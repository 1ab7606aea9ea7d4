"""Takes a profile: times the step without a profiler, traces it, then attributes it under ranges, and sums the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch.profiler import profile

from dig_bench.cell import Cell
from dig_bench.machine import environment
from dig_bench.measure.peaks import last_level_cache
from dig_bench.measure.roofline import Roofline
from dig_bench.profile import gaps, memory, sums
from dig_bench.profile.attribution import attribute, device_ms
from dig_bench.profile.ranges import PART, named, ranges
from dig_bench.profile.record import Profile
from dig_bench.profile.timeline import Timeline
from dig_bench.profile.trace import WARM_UP_S, record
from dig_bench.profile.traffic import Traffic
from dig_bench.protocol import Protocol
from dig_bench.run.measure_cell import gpu_monitor
from dig_bench.run.precision import tf32
from dig_bench.run.subject import Subject, prepare
from dig_bench.run.task import Say

STEPS = 5
"""Steps that are profiled back to back."""

AGREEMENT = 0.02
"""Largest relative difference of profiled and unprofiled device time without a note."""

UNLINKED = 0.03
"""Largest share of the device time outside all components without a note."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    profile: Profile
    profiler: Any
    """torch.profiler.profile of the eager steps, for exports."""
    snapshot: Mapping[str, Any] | None
    """PyTorch's memory snapshot of one step; None on a CPU."""


def take(cell: Cell, protocol: Protocol, roofline: Roofline | None, say: Say) -> Taken:
    """Profiles a cell of execution `eager`; on a GPU, its CUDA graph is timed and traced as well.

    Raises TaskError as `prepare` does; errors of memory stay what they are.
    """
    assert cell.execution == "eager"
    on_cuda = cell.device == "cuda"
    with tf32(cell.precision == "tf32"), gpu_monitor(cell.device) as monitor:
        subject = prepare(cell, protocol, say, {})
        executions = gaps.measure(subject.step, cell, protocol, monitor=monitor, say=say)
        say("profiling")
        traffic = Traffic(subject.model)
        # The first round under ranges and profiler is slower than the others.
        run(subject, device=cell.device, steps=1, traffic=traffic)
        profiler = run(subject, device=cell.device, steps=STEPS, warm_up_s=WARM_UP_S if on_cuda else 0.0)
        say("adding up")
        events = profiler.events()
        work = attribute(events, on_cuda=on_cuda)
        say("recording memory")
        used, snapshot = memory.record(subject.step, subject.model, subject.step.optimizer, cell.device)
    model = subject.model
    total_ms = (device_ms(events) if on_cuda else sum(each.ms for each in work)) / STEPS
    launches = sum(each.calls for each in work) / STEPS
    both = executions.gaps(Timeline(busy_ms=total_ms, kernel_launches=launches, span_ms=None, gap_ms=None, trend=None))
    notes = list(executions.notes)
    parts = sums.components(
        work,
        STEPS,
        model=model,
        cell=cell,
        traffic=traffic.calls,
        total_ms=total_ms,
        cache_bytes=last_level_cache(cell.device),
    )
    taken = Profile(
        cell=cell,
        environment=environment.describe(cell.device),
        kernels_of_backend=model.kernels(),
        num_tokens=model.num_tokens,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        device_ms=total_ms,
        unprofiled_ms=min(each.latency_ms for each in both),
        components=parts,
        blocks=sums.blocks(work, STEPS),
        kernels=sums.kernels(work, STEPS, total_ms),
        gaps=both,
        roofline=roofline,
        memory=used,
        notes=notes,
    )
    notes += _doubts(taken)
    return Taken(profile=taken, profiler=profiler, snapshot=snapshot)


def run(
    subject: Subject, *, device: str, steps: int, traffic: Traffic | None = None, warm_up_s: float = 0.0
) -> profile:
    """Runs steps under ranges and profiler."""

    def step() -> None:
        for name, part in subject.step.parts.items():
            with named(PART + name):
                part()

    with ranges(subject.model, traffic=traffic):
        return record(step, device=device, steps=steps, warm_up_s=warm_up_s)


def _doubts(taken: Profile) -> Iterator[str]:
    if abs(taken.disagreement) > AGREEMENT:
        yield (f"profiled, a step takes {100 * taken.disagreement:+.1f} % against an unprofiled one")
    unlinked = taken.by_component.get(sums.UNLINKED)
    if unlinked is not None and abs(unlinked.total_ms) > UNLINKED * taken.device_ms:
        yield f"{100 * unlinked.total_ms / taken.device_ms:.1f} % of the device time belongs to no known component"
