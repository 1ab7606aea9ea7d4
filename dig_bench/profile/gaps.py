"""Executions of a step: latency and energy without a profiler, then its kernels and the gaps between them, traced."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from dig_bench.cell import Cell
from dig_bench.measure.memory import is_out_of_memory
from dig_bench.measure.monitor import Monitor
from dig_bench.profile.record import Gaps
from dig_bench.profile.timeline import Timeline, timeline
from dig_bench.profile.trace import WARM_UP_S, record
from dig_bench.protocol import Protocol
from dig_bench.run.capture import CaptureError, capture
from dig_bench.run.passes import Passes
from dig_bench.run.step import Step
from dig_bench.run.task import Say

TRACE_S = 0.5
MIN_STEPS, MAX_STEPS = 8, 50
"""Length of a trace, within these numbers of steps."""

TRACE_TOLERANCE = 0.05
"""Largest relative difference of a traced CUDA graph from an untraced one without a note."""

DRIFT_TOLERANCE = 0.02
"""Largest drift of the steps over a trace without a note."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A step without a profiler: columns of a row, and the reasons to doubt them."""

    cell: Cell
    columns: dict[str, Any]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Executions:
    """Executions of a step: eager, and on a GPU as a CUDA graph if one can hold it."""

    eager: Timed
    traced: Timeline | None
    """Trace of eager steps; None on a CPU."""
    graph: Gaps | None
    notes: list[str]

    def gaps(self, profiled: Timeline) -> list[Gaps]:
        """Returns both. On a CPU, takes the timeline of the profiled step for lack of a trace."""
        eager = combine(self.eager, self.traced or profiled)
        return [eager] if self.graph is None else [eager, self.graph]


def measure(step: Step, cell: Cell, protocol: Protocol, *, monitor: Monitor | None, say: Say) -> Executions:
    """Measures the step's executions. A profiler stays attached to the process and slows it down: traces come last."""
    eager = time(step, cell, protocol, monitor=monitor, say=say)
    if cell.device != "cuda":
        return Executions(eager=eager, traced=None, graph=None, notes=eager.notes)
    graph, notes = graph_of(step, cell, protocol, monitor=monitor, say=say)
    say("tracing eager steps")
    traced = trace(step, eager.columns["latency_ms_median"])
    return Executions(eager=eager, traced=traced, graph=graph, notes=[*eager.notes, *notes])


def time(step: Step, cell: Cell, protocol: Protocol, *, monitor: Monitor | None, say: Say) -> Timed:
    """Times the step and measures its energy as a sweep does, but for the L2 cache, which stays warm as in a trace."""
    passes = Passes(cell, replace(protocol, flush_l2=False), lambda phase: say(f"{phase}, {cell.execution}"), monitor)
    passes.time(step)
    passes.measure_energy(step)
    passes.look_again(step)
    doubts = [*passes.doubts, *(f"throttled: {reason}" for reason in sorted(passes.harmful))]
    return Timed(cell=cell, columns=passes.values, notes=[f"{cell.execution}: {doubt}" for doubt in doubts])


def trace(step: Step, latency_ms: float) -> Timeline:
    """Traces the step on a GPU, back to back in its steady state. Takes its latency without a profiler."""
    steps = min(MAX_STEPS, max(MIN_STEPS, round(1e3 * TRACE_S / latency_ms)))
    profiler = record(step, device="cuda", steps=steps, with_host=False, warm_up_s=WARM_UP_S)
    return timeline(profiler.events(), steps)


def combine(timed: Timed, traced: Timeline) -> Gaps:
    """Joins the timings and the trace of one execution."""
    columns, batch = timed.columns, timed.cell.batch_size
    joules = columns.get("energy_j_per_image")
    return Gaps(
        execution=timed.cell.execution,
        latency_ms=columns["latency_ms_median"],
        latency_low_ms=columns["latency_ms_ci_low"],
        latency_high_ms=columns["latency_ms_ci_high"],
        host_ms=columns.get("host_ms_median"),
        throttle_reasons=columns.get("timing_throttle_reasons"),
        joules=None if joules is None else joules * batch,
        power_w=columns.get("power_w_mean"),
        sm_clock_mhz=columns.get("sm_clock_mhz"),
        busy_ms=traced.busy_ms,
        kernel_launches=traced.kernel_launches,
        traced_ms=traced.span_ms,
        gap_ms=traced.gap_ms,
    )


def graph_of(
    step: Step, cell: Cell, protocol: Protocol, *, monitor: Monitor | None, say: Say
) -> tuple[Gaps | None, list[str]]:
    """Times and traces the step as CUDA graphs, and frees them. Returns notes, and None where there are no graphs."""
    say("capturing")
    try:
        graph = capture(step)
    except CaptureError as error:
        return None, [f"no CUDA graph: {error}"]
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None, ["no CUDA graph: out of memory"]
    timed = time(graph, replace(cell, execution="graph"), protocol, monitor=monitor, say=say)
    say("tracing the graph")
    traced = trace(graph, timed.columns["latency_ms_median"])
    del graph
    gc.collect()
    torch.cuda.empty_cache()
    found = combine(timed, traced)
    return found, [*timed.notes, *doubts(found, traced)]


def doubts(found: Gaps, traced: Timeline) -> Iterator[str]:
    """Yields the reasons to doubt a trace of CUDA graphs. Eager steps are slower under a profiler, as a rule."""
    if found.trace_excess is None:
        yield "the trace of the graph cannot be divided into equal steps: it shows no gaps"
    elif abs(found.trace_excess) > TRACE_TOLERANCE:
        yield (
            f"a traced step of the graph takes {found.traced_ms:.4g} ms, {100 * found.trace_excess:+.1f} % against "
            "the untraced one, and so may its gaps"
        )
    if traced.trend is not None and not traced.trend.is_steady(DRIFT_TOLERANCE):
        yield f"the steps of the graph's trace drift by {100 * traced.trend.drift:+.1f} %"
