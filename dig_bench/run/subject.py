"""Subject: a cell's backbone with its step, built, called once and checked against other implementations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from dig_bench.cell import Cell, one_line
from dig_bench.machine.environment import cpu_name
from dig_bench.measure import latency
from dig_bench.measure.memory import tensors_mib
from dig_bench.plan.availability import unavailable_reason
from dig_bench.protocol import Protocol
from dig_bench.run.correctness import check
from dig_bench.run.parameters import SEED, move
from dig_bench.run.sampling_step import sampling_step
from dig_bench.run.step import Inputs, Step, forward_step, training_step
from dig_bench.run.task import Say, TaskError
from dig_bench.run.under_test import UnderTest
from dig_models import Backbone, build, graphed

Found = dict[str, Any]
"""Columns of a row, filled as their values become known: a cell that fails later keeps them."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    model: Backbone
    step: Step
    """Has run once: compilation and autotuning are done. No CUDA graph holds it yet, except a sampler's network."""


def prepare(cell: Cell, protocol: Protocol, say: Say, found: Found) -> Subject:
    """Builds the subject and fills `found`.

    Raises TaskError: `unsupported` for a cell that cannot run here, `mismatch` for a backend that disagrees with
    another, or reports false values about itself.
    """
    if reason := unavailable(cell):
        raise TaskError("unsupported", reason)
    found["device_name"] = torch.cuda.get_device_name() if cell.device == "cuda" else cpu_name()
    say("building")
    model = _build(cell, protocol)
    flops = protocol.forward_passes(cell.mode) * model.flops(cell.batch_size).total
    found |= {
        "num_tokens": model.num_tokens,
        "kernels": one_line(model.kernels()),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "gflops_per_image": flops / cell.batch_size / 1e9,
        "weights_mib": tensors_mib([*model.parameters(), *model.buffers()]),
    }
    call = _call(cell, model)
    step = _step(cell, model, call, protocol)
    say("first call")
    found["first_call_s"] = latency.first_call_s(step, cell.device)
    say("correctness check")
    checked = check(cell, protocol, UnderTest.of(cell, protocol, model, call))
    found |= {"relative_error": checked.relative_error, "checked": one_line(checked.text)}
    if checked.mismatch:
        raise TaskError("mismatch", checked.mismatch)
    return Subject(model=model, step=step)


def unavailable(cell: Cell) -> str | None:
    """Returns the reason why the cell cannot run on this machine; None when it can."""
    if cell.device == "cuda" and not torch.cuda.is_available():
        return f"torch {torch.__version__} finds no CUDA GPU"
    return unavailable_reason(cell)


def _build(cell: Cell, protocol: Protocol) -> Backbone:
    torch.manual_seed(SEED)
    model = build(
        cell.model, image_size=cell.resolution_px, backend=cell.backend, precision=cell.precision, device=cell.device
    )
    move(model, protocol.check_noise)
    return model


def _call(cell: Cell, model: Backbone) -> Callable[..., Tensor]:
    """Returns the model or its compiled form; for a sampler, its CUDA graphs."""
    call: nn.Module = model
    if cell.is_compiled:
        # Code compiled for earlier cells would make torch.compile generalise over shapes, and finally give up.
        torch.compiler.reset()
        call = cast(nn.Module, torch.compile(model))
    return graphed(call) if cell.mode == "sample" and cell.is_graph else call


def _step(cell: Cell, model: Backbone, call: Callable[..., Tensor], protocol: Protocol) -> Step:
    if cell.mode == "sample":
        return sampling_step(model, call, cell.batch_size, protocol)
    inputs = Inputs.random(model, cell.batch_size)
    return training_step(model, call, inputs) if cell.mode == "train" else forward_step(call, inputs)
