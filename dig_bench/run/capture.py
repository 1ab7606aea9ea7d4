"""Captures a step as CUDA graphs."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache

import torch

from dig_bench.measure.memory import is_out_of_memory
from dig_bench.run.step import Step, first_line

CAPTURE_WARMUP = 2
"""Runs on the capture's stream before it: libraries set up their workspaces for a stream on first use."""


class CaptureError(Exception):
    """A step that no CUDA graph can hold, with the reason."""


def capture(step: Step) -> Step:
    """Returns the step with each part as a CUDA graph of its own; the graphs share a memory pool and replay in order.

    The step has to have run before, so that nothing is left to compile. Raises CaptureError with CUDA's reason; errors
    of memory stay what they are.
    """
    stream = _capture_stream()
    _free(step)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(CAPTURE_WARMUP):
            step()
    _free(step)
    pool = torch.cuda.graph_pool_handle()
    graphs = {}
    for name, part in step.parts.items():
        graphs[name] = torch.cuda.CUDAGraph()
        _record(part, torch.cuda.graph(graphs[name], pool=pool, stream=stream))
    return Step(parts={name: graph.replay for name, graph in graphs.items()}, outputs=step.outputs, captured=step)


@cache
def _capture_stream() -> torch.cuda.Stream:
    """The stream of all captures: cuBLAS keeps a workspace for every stream that it has seen."""
    return torch.cuda.Stream()


def _free(step: Step) -> None:
    """Frees cached memory: blocks of one stream serve no other."""
    step.outputs.clear()
    torch.cuda.synchronize()
    gc.collect()
    torch.cuda.empty_cache()


def _record(part: Callable[[], object], capturing: AbstractContextManager[None]) -> None:
    failures: list[Exception] = []
    try:
        with capturing:
            try:
                part()
            except Exception as error:
                failures.append(error)
                raise
    except Exception as error:
        # Leaving a failed capture raises a second error: the first one is the reason.
        reason = (failures or [error])[0]
        if is_out_of_memory(reason):
            raise reason from None
        raise CaptureError(first_line(reason)) from reason
