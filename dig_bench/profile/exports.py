"""Exports for other tools: Perfetto and Chrome's tracing, Nsight Systems, PyTorch's memory viewer."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from dig_bench.cell import Cell
from dig_bench.files.atomic import write_whole
from dig_bench.profile.ranges import ranges
from dig_bench.profile.take import STEPS
from dig_bench.protocol import Protocol
from dig_bench.run.precision import tf32
from dig_bench.run.subject import prepare
from dig_bench.run.task import Say, TaskError


def write_trace(profiler: Any, path: Path) -> Path:
    """Writes a gzipped trace for https://ui.perfetto.dev and chrome://tracing."""
    partial = path.with_name(f"partial.{path.name}")
    profiler.export_chrome_trace(str(partial))
    return partial.replace(path)


def write_snapshot(snapshot: Mapping[str, Any], path: Path) -> Path:
    """Writes a memory snapshot for https://pytorch.org/memory_viz, as torch.cuda.memory._dump_snapshot does."""
    write_whole(path, pickle.dumps(snapshot))
    return path


def run_under_nvtx(cell: Cell, protocol: Protocol, say: Say) -> None:
    """Runs steps between cudaProfilerStart and Stop, with every module, operation and operator in an NVTX range.

    Without torch.profiler: it and Nsight Systems cannot both listen to CUPTI. Raises TaskError on a CPU.
    """
    if cell.device != "cuda":
        raise TaskError("unsupported", "NVTX ranges need a CUDA GPU")
    with tf32(cell.precision == "tf32"), ExitStack() as stack:
        subject = prepare(cell, protocol, say, {})
        say("running under NVTX ranges")
        torch.cuda.synchronize()
        stack.enter_context(torch.cuda.profiler.profile())
        stack.enter_context(torch.autograd.profiler.emit_nvtx())
        stack.enter_context(ranges(subject.model, nvtx=True))
        for _ in range(STEPS):
            for name, part in subject.step.parts.items():
                with torch.cuda.nvtx.range(name):
                    part()
        torch.cuda.synchronize()
