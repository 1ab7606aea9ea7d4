"""Traces of steps in their steady state, by torch.profiler."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from dig_bench.measure.timer import after, timer_for

WARM_UP_S = 1.0
"""Time under load between the start of the profiler, in which the device rests, and that of the trace."""


def record(
    step: Callable[[], object], *, device: str, steps: int, with_host: bool = True, warm_up_s: float = 0.0
) -> profile:
    """Runs the step for `warm_up_s` with the profiler attached, then records `steps` runs.

    Without the host, the trace of a GPU has its kernels only, and slows the host down less.
    """
    on_cuda = device == "cuda"
    activities = [ProfilerActivity.CUDA] if on_cuda else []
    activities += [ProfilerActivity.CPU] if with_host or not on_cuda else []
    profiler = profile(activities=activities, acc_events=True)
    profiler.prepare_trace()
    try:
        try:
            if warm_up_s:
                timer_for(device, flush_l2=False)([step], stop=after(warm_up_s))
            _wait(on_cuda)
        finally:
            # After an error, too: only the end of a trace detaches the profiler.
            profiler.start_trace()
        for _ in range(steps):
            step()
        _wait(on_cuda)
    finally:
        profiler.stop_trace()
    return profiler


def _wait(on_cuda: bool) -> None:
    if on_cuda:
        torch.cuda.synchronize()
