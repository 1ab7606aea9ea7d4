"""Correctness check at a few tokens: output and gradients against the architecture's reference."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from dig_bench.cell import Cell
from dig_bench.protocol import Protocol
from dig_bench.run.comparisons import Comparisons
from dig_bench.run.evaluation import errors, evaluate, random_cotangent
from dig_bench.run.independent import exactly, independent_backend, network
from dig_bench.run.parameters import move
from dig_bench.run.precision import tf32
from dig_bench.run.step import Inputs
from dig_models import CATALOG

BATCH_SIZE = 2


def compare_small(cell: Cell, protocol: Protocol) -> Comparisons:
    """Compares the cell's backend with its reference on check_grid**2 tokens; once per process for cells of one kind.

    Both networks have the same parameters, moved by noise (a fresh adaLN-Zero network is the identity). The reference
    runs in fp32 with TF32 off. In mode `train` the gradients of the latent and of all parameters are compared too. A
    backend that switches kernels above a number of tokens is compared with either.
    """
    kind = replace(cell, resolution_px=0, batch_size=BATCH_SIZE, mode=cell.network_mode, execution="eager", process=1)
    return compare_of_kind(kind, protocol.check_grid, protocol.check_noise)


def other_side(cell: Cell, num_tokens: int) -> str | None:
    """Returns the reference backend, for the reference another plain one; None for a backend without any other."""
    reference = CATALOG[cell.model].architecture.reference_backend
    return reference if cell.backend != reference else independent_backend(cell, num_tokens)


def is_own_reference(cell: Cell, protocol: Protocol) -> bool:
    """Returns whether there is no other backend to compare with at a few tokens."""
    return other_side(cell, protocol.check_grid**2) is None


@cache
def compare_of_kind(cell: Cell, grid: int, noise: float) -> Comparisons:
    """Compares on grid x grid tokens. The cell has no resolution: its kind decides."""
    found = Comparisons()
    where = f"{grid**2} tokens"
    other = other_side(cell, grid**2)
    if other is None and cell.precision == "fp32":
        found.notes.append(f"{where}: unchecked, {cell.backend} is its own reference")
        return found
    exact = network(cell, grid=grid, backend=other or cell.backend)
    move(exact, noise)
    inputs = Inputs.random(exact, BATCH_SIZE)
    cotangent = random_cotangent(exact, inputs) if cell.mode == "train" else None
    with exactly():
        expected = evaluate(exact, exact, inputs, cotangent)
    for variant in CATALOG[cell.model].architecture.variants(cell.backend):
        tested = network(cell, grid=grid, backend=variant, precision=cell.precision)
        tested.load_state_dict(exact.state_dict())
        with tf32(cell.precision == "tf32"):
            ours = evaluate(tested, tested, inputs, cotangent)
        found.add(f"{_name(cell, other)} at {where}", errors(ours, expected))
    gradients = "" if cotangent is None else ", gradients"
    if other is None:
        found.notes.append(f"{where}: unchecked, {cell.backend} is its own reference, in fp32")
    else:
        found.notes.append(f"{where}: {other}{gradients}")
    return found


def _name(cell: Cell, other: str | None) -> str:
    if other is None:
        return "itself in fp32"
    return "the reference" if other == CATALOG[cell.model].architecture.reference_backend else other
