"""Values that a network reports about itself, tokens and FLOPs, against its inputs and PyTorch's counter."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from dig_bench.cell import Cell
from dig_bench.plan.estimate import step_flops
from dig_bench.protocol import Protocol
from dig_bench.run.evaluation import evaluate
from dig_bench.run.independent import is_sequential, network
from dig_bench.run.shallow import shallow_depth
from dig_bench.run.step import Inputs, first_line
from dig_models import CATALOG, Backbone
from dig_models.catalog import PIXELS_PER_LATENT

TOLERANCE = 0.01
"""Largest relative difference between reported and counted FLOPs."""

FEW = 4
"""Tokens along a side at which a loop over tokens is counted. Its FLOPs are linear in the tokens."""


def false_report(cell: Cell, protocol: Protocol, model: Backbone) -> tuple[str, str]:
    """Returns what is wrong with the values that the model reports, and a note on how its FLOPs were checked.

    `num_tokens` has to be the number of patches. The FLOPs have to be those of the reference backend for one image
    times the batch size, and those have to agree with torch.utils.flop_counter, but for the components in `uncounted`.
    """
    grid = cell.resolution_px // PIXELS_PER_LATENT // model.config.patch_size
    if model.num_tokens != grid**2:
        return f"reports {model.num_tokens} tokens, its inputs have {grid**2} patches", ""
    reported, expected = model.flops(cell.batch_size).total, step_flops(replace(cell, mode="forward"), protocol)
    if not _agree(reported, expected):
        return f"reports {_giga(reported)}, its reference backend {_giga(expected)}", ""
    architecture = CATALOG[cell.model].architecture
    reference = architecture.reference_backend
    if not architecture.backends[reference]:
        return _against_the_counter(cell.model, protocol.check_grid)
    return _against_the_counter(cell.model, FEW if is_sequential(architecture, reference) else grid)


@cache
def _against_the_counter(model: str, grid: int) -> tuple[str, str]:
    """Counts a forward pass of a few blocks of the reference backend, without memory for it."""
    architecture = CATALOG[model].architecture
    cell = Cell(model=model, backend=architecture.reference_backend, resolution_px=0, device="meta")
    try:
        reference = network(cell, grid=grid, backend=cell.backend, depth=shallow_depth(cell))
        with FlopCounterMode(display=False) as counter:
            evaluate(reference, reference, _inputs(reference), None)
    except Exception as error:
        # A network need not run without memory.
        return "", f"FLOPs: unchecked, {first_line(error)}"
    by_component = reference.flops(1).by_component
    seen = sum(flops for name, flops in by_component.items() if name not in architecture.uncounted)
    counted = counter.get_total_flops()
    where = f"{grid**2} tokens and {reference.config.depth} blocks"
    if not _agree(seen, counted):
        return f"reports {_giga(seen)} for {where}, torch.utils.flop_counter counts {_giga(counted)}", ""
    return "", "FLOPs: counted"


def _inputs(model: Backbone) -> Inputs:
    """Returns inputs of one image, without memory for it."""
    config = model.config
    latent = torch.empty(1, config.in_channels, config.latent_size, config.latent_size, device="meta")
    index = torch.empty(1, dtype=torch.long, device="meta")
    return Inputs(latent=latent, timestep=index, label=index)


def _agree(reported: int, expected: int) -> bool:
    return abs(reported - expected) <= TOLERANCE * expected


def _giga(flops: int) -> str:
    return f"{flops / 1e9:.4g} GFLOPs"
