"""Correctness check: a backend against other implementations, at a few tokens and at the shape that is timed."""

from __future__ import annotations

from dataclasses import dataclass

from dig_bench.cell import Cell
from dig_bench.protocol import Protocol
from dig_bench.run.check_small import compare_small, is_own_reference
from dig_bench.run.check_timed import compare_timed
from dig_bench.run.self_report import false_report
from dig_bench.run.under_test import UnderTest


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Result of a correctness check."""

    relative_error: float | None
    """Largest relative error of all comparisons; None if there were none."""
    text: str
    """Comparisons that were made, at which sizes, and what could not be checked."""
    mismatch: str
    """Reason why the network is wrong; empty when it is not."""


def check(cell: Cell, protocol: Protocol, tested: UnderTest) -> Checked:
    """Checks the network under test, and the values that it reports about itself."""
    timed = compare_timed(cell, protocol, tested)
    small = compare_small(cell, protocol)
    false, note = false_report(cell, protocol, tested.model)
    made = [*small.made, *timed.made]
    if is_own_reference(cell, protocol) and not timed.is_steady:
        # Such a network differs from itself.
        made = []
    worst = max(made, key=lambda each: each.rank, default=None)
    mismatch = worst.mismatch(protocol.tolerance(cell.precision)) if worst else ""
    return Checked(
        relative_error=worst.error if worst else None,
        text="; ".join(filter(None, [*small.notes, note, *timed.notes])),
        mismatch=mismatch or false,
    )
