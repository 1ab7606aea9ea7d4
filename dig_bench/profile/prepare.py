"""What a profile is of: a backbone and its step, built, run once, and held against its reference."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dig_bench.cell import Cell
from dig_bench.measure import latency
from dig_bench.profile.apart import Say, TaskError
from dig_bench.protocol import Protocol
from dig_bench.run.correctness import SEED, check, move
from dig_bench.run.step import Inputs, Step, forward_step, training_step
from dig_models import Backbone, build, unavailable


@dataclass(frozen=True, kw_only=True)
class Prepared:
    model: Backbone
    step: Step
    """Eager, and run before: nothing is left to compile."""


def prepare(cell: Cell, protocol: Protocol, say: Say) -> Prepared:
    """The cell's execution is ignored. TaskError when it cannot run here, or disagrees with its reference."""
    if reason := unavailable(cell.model, cell.backend, cell.device, cell.mode, cell.precision):
        raise TaskError("unsupported", reason)
    say("building")
    torch.manual_seed(SEED)
    model = build(
        cell.model, image_size=cell.resolution_px, backend=cell.backend, precision=cell.precision, device=cell.device
    )
    move(model, protocol.check_noise)
    inputs = Inputs.random(model, cell.batch_size)
    step = training_step(model, model, inputs) if cell.mode == "train" else forward_step(model, inputs)
    say("first call")
    latency.first_call_s(step, cell.device)
    say("gate")
    _, mismatch = check(cell, protocol)
    if mismatch:
        raise TaskError("mismatch", mismatch)
    return Prepared(model=model, step=step)
