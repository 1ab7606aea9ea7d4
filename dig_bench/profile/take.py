"""Takes a profile: times the step without a profiler, then runs it under ranges and profiler, and sums the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from dig_bench.cell import Cell
from dig_bench.machine import environment
from dig_bench.measure.roofline import Roofline
from dig_bench.profile import gaps, memory, sums
from dig_bench.profile.attribution import attribute, device_ms
from dig_bench.profile.gaps import STEPS
from dig_bench.profile.ranges import PART, Traffic, named, ranges
from dig_bench.profile.record import Gaps, Profile
from dig_bench.protocol import Protocol
from dig_bench.run.precision import tf32
from dig_bench.run.subject import Subject, prepare
from dig_bench.run.task import Say

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


def take(cell: Cell, protocol: Protocol, roofline: Roofline, say: Say) -> Taken:
    """Profiles a cell of execution `eager`; on a GPU, its CUDA graph is timed as well.

    Raises TaskError as `prepare` does; errors of memory stay what they are.
    """
    assert cell.execution == "eager"
    on_cuda = cell.device == "cuda"
    notes = []
    with tf32(cell.precision == "tf32"):
        subject = prepare(cell, protocol, say, {})
        say("timing eager")
        eager_ms, host_ms = gaps.latency_ms(subject.step, cell.device)
        say("energy")
        eager_energy = gaps.energy(subject.step, cell.device, protocol.energy_seconds)
        graph: Gaps | None = None
        if on_cuda:
            say("timing the graph")
            found = gaps.of_graph(subject.step, protocol.energy_seconds)
            if isinstance(found, str):
                notes.append(found)
            else:
                graph = found
        say("profiling")
        traffic: Traffic = {}
        # The first round under ranges and profiler is slower than the others.
        run(subject, on_cuda=on_cuda, steps=1, traffic=traffic)
        profiler = run(subject, on_cuda=on_cuda, steps=STEPS)
        say("adding up")
        events = profiler.events()
        work = attribute(events, on_cuda=on_cuda)
        say("recording memory")
        used, snapshot = memory.record(subject.step, subject.model, subject.step.optimizer, cell.device)
    model = subject.model
    total_ms = (device_ms(events) if on_cuda else sum(each.ms for each in work)) / STEPS
    kernel_launches = sum(each.calls for each in work) / STEPS
    eager = Gaps(
        execution="eager",
        latency_ms=eager_ms,
        host_ms=host_ms,
        busy_ms=total_ms,
        kernel_launches=kernel_launches,
        **eager_energy,
    )
    both = [eager] if graph is None else [eager, graph]
    taken = Profile(
        cell=cell,
        environment=environment.describe(cell.device),
        kernels_of_backend=model.kernels(),
        num_tokens=model.num_tokens,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        device_ms=total_ms,
        unprofiled_ms=min(each.latency_ms for each in both),
        components=sums.components(work, STEPS, model=model, cell=cell, traffic=traffic, total_ms=total_ms),
        blocks=sums.blocks(work, STEPS),
        kernels=sums.kernels(work, STEPS, total_ms),
        gaps=both,
        roofline=roofline,
        memory=used,
        notes=notes,
    )
    notes += _doubts(taken)
    return Taken(profile=taken, profiler=profiler, snapshot=snapshot)


def run(subject: Subject, *, on_cuda: bool, steps: int, traffic: Traffic | None = None) -> profile:
    """Runs steps under ranges and profiler."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    with ranges(subject.model, traffic=traffic), profile(activities=activities, acc_events=True) as profiler:
        for _ in range(steps):
            for name, part in subject.step.parts.items():
                with named(PART + name):
                    part()
        if on_cuda:
            torch.cuda.synchronize()
    return profiler


def _doubts(taken: Profile) -> Iterator[str]:
    if abs(taken.disagreement) > AGREEMENT:
        yield (
            f"the profiled step takes {taken.device_ms:.4g} ms on {taken.where}, {100 * taken.disagreement:+.1f} % "
            "against the unprofiled one"
        )
    unlinked = taken.by_component.get(sums.UNLINKED)
    if unlinked is not None and abs(unlinked.total_ms) > UNLINKED * taken.device_ms:
        yield f"{100 * unlinked.total_ms / taken.device_ms:.1f} % of the device time belongs to no known component"
