"""The sequential decision: more processes for undecided cells, fresh processes for suspected regressions."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from dig_bench.cell import Key
from dig_bench.compare.cell_comparison import CellComparison
from dig_bench.compare.comparison import Comparison, compare
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.plan import Plan
from dig_bench.compare.settings import Settings


class Pair(Protocol):
    """Two sides, base and candidate, that can be measured."""

    def measure(self, keys: Collection[Key], processes: int) -> None:
        """Measures these cells on both sides until each has this many processes."""
        ...

    def evidence(self) -> tuple[Evidence, Evidence]:
        """Returns what base and candidate have so far."""
        ...


def decide_in_turn(
    keys: Collection[Key], settings: Settings, plan: Plan, *, first: Pair, fresh: Callable[[], Pair]
) -> Comparison:
    """Measures the cells until each is decided or reaches the plan's limit, then the suspects once more.

    `fresh` makes a pair without any process. Only its processes decide whether a suspect is a regression.
    """
    comparison = _measure(first, keys, settings, plan, is_open=lambda cell: not cell.suspected)
    if not comparison.suspects:
        return comparison
    return comparison.confirmed_by(_measure(fresh(), comparison.suspects, settings, plan, is_open=lambda cell: True))


def _measure(
    pair: Pair, keys: Collection[Key], settings: Settings, plan: Plan, *, is_open: Callable[[CellComparison], bool]
) -> Comparison:
    """Measures the cells, and those that are undecided and open again with more processes."""
    wanted = plan.processes
    while True:
        pair.measure(keys, wanted)
        comparison = compare(*pair.evidence(), settings)
        keys = [cell.key for cell in comparison.undecided if is_open(cell)]
        if not keys or wanted == plan.max_processes:
            return comparison
        # Doubled, not one by one: the fewer looks at the processes, the fewer chances to be wrong.
        wanted = min(2 * wanted, plan.max_processes)
