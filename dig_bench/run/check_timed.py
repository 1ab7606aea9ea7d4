"""Correctness check at the shape that is timed, on the very model that is timed."""

from __future__ import annotations

import gc
from time import monotonic

import torch

from dig_bench.cell import Cell
from dig_bench.measure.memory import is_out_of_memory
from dig_bench.plan.estimate import cell_seconds
from dig_bench.protocol import Protocol
from dig_bench.run.comparisons import Comparisons
from dig_bench.run.evaluation import Evaluation, errors
from dig_bench.run.images import Images
from dig_bench.run.independent import independent_backend
from dig_bench.run.under_test import UnderTest

ROUNDING = 0.2
"""Largest difference of two identical calls, as a share of the tolerance, that counts as rounding."""


def compare_timed(cell: Cell, protocol: Protocol, tested: UnderTest) -> Comparisons:
    """Compares two identical calls, an image of the batch with the same image alone, and images with another backend.

    A cell that fits into memory need not fit twice: where memory is short, a note says so.
    """
    found = Comparisons()
    where = f"{tested.model.num_tokens} tokens"
    if not protocol.check_share:
        found.notes.append(f"{where}: unchecked, check_share is 0")
        return found
    budget_s = protocol.check_share * cell_seconds(cell, protocol)
    ends_s = monotonic() + budget_s
    try:
        with tested.without_dropping_labels():
            batch = _compare_with_itself(tested, found, where, rounding=ROUNDING * protocol.tolerance(cell.precision))
            backend = independent_backend(cell, tested.model.num_tokens)
            if backend is None:
                found.notes.append(f"{where}: unchecked, no other plain backend")
            else:
                Images(cell, protocol, backend, found, ends_s=ends_s).compare(tested, batch)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        found.notes.append(f"{where}: out of memory before the rest was checked")
    _free(cell.device)
    return found


def _compare_with_itself(tested: UnderTest, found: Comparisons, where: str, *, rounding: float) -> Evaluation:
    """Compares two identical calls, and the first image alone with the same image in the batch."""
    batch = tested.evaluate()
    differs = max(errors(tested.evaluate().without_parameters(), batch).values())
    if differs > rounding:
        found.is_steady = False
        found.notes.append(f"not deterministic: two identical calls differ by {differs:.2g}")
    if tested.batch_size > 1:
        found.add(f"the same image alone at {where}", errors(batch.image(0), tested.evaluate_image(0)))
        found.notes.append("batch: image 0 alone")
    return batch


def _free(device: str) -> None:
    """Returns the memory of the other networks, which the measurement shall not see."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
