"""Evidence of two sides in turn, A B B A: more of them for undecided cells, fresh ones for suspects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from dig_bench.cell import Cell, Key, Row
from dig_bench.compare.calibration import Calibration
from dig_bench.compare.comparison import CellComparison, Comparison, compare
from dig_bench.compare.decision import MIN_PROCESSES
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.settings import Settings
from dig_bench.results.store import Store, read_manifest

CONFIRMATION = "confirmation"
"""The folder of the processes that confirm, below that of those that raised the suspicion."""

Outcome = tuple[Row, Mapping[str, Sequence[float]]]
"""A row and its samples."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How often each side is launched. ValueError for what cannot lead to a decision."""

    processes: int = 3
    max_processes: int = 10
    """Undecided cells get processes up to here: twice as many as they have, and so on."""

    def __post_init__(self) -> None:
        if self.processes < MIN_PROCESSES:
            raise ValueError(f"--processes takes a whole number from {MIN_PROCESSES}, not {self.processes}")
        if self.max_processes < self.processes:
            raise ValueError(f"--max-processes is {self.processes} at least, not {self.max_processes}")

    @staticmethod
    def chosen(processes: int | None, max_processes: int | None, calibration: Calibration | None) -> Plan:
        """What is given, else what the calibration recommends, else the default."""
        if processes is None:
            processes = (calibration and calibration.processes) or Plan.processes
        if max_processes is None:
            max_processes = max(processes, (calibration and calibration.max_processes) or Plan.max_processes)
        return Plan(processes=processes, max_processes=max_processes)


class Pair(Protocol):
    """Two sides that can be launched."""

    def process(self, keys: Collection[Key], processes: int) -> None:
        """Both sides of these cells, so often in all."""
        ...

    def processes(self) -> tuple[Evidence, Evidence]:
        """What base and candidate have by now."""
        ...


def decide_in_turn(
    keys: Collection[Key], settings: Settings, plan: Plan, *, first: Pair, fresh: Callable[[], Pair]
) -> Comparison:
    """Evidence the cells until each is decided or the plan's cap is reached, then the suspects anew.

    A suspect counts as a regression only by what `fresh`, a pair without processes, says of it.
    """
    comparison = _process(first, keys, settings, plan, is_open=lambda cell: not cell.suspected)
    if not comparison.suspects:
        return comparison
    return comparison.confirmed_by(_process(fresh(), comparison.suspects, settings, plan, is_open=lambda cell: True))


def _process(
    pair: Pair, keys: Collection[Key], settings: Settings, plan: Plan, *, is_open: Callable[[CellComparison], bool]
) -> Comparison:
    wanted = plan.processes
    while True:
        pair.process(keys, wanted)
        comparison = compare(*pair.processes(), settings)
        keys = [cell.key for cell in comparison.undecided if is_open(cell)]
        if not keys or wanted == plan.max_processes:
            return comparison
        # Doubled, not one by one: the fewer looks at the processes, the fewer chances to be wrong.
        wanted = min(2 * wanted, plan.max_processes)


@dataclass(frozen=True, kw_only=True)
class Side:
    name: str
    """`base` or `candidate`: a folder, too."""
    title: str
    """What the user called it, for the comparison."""
    spec: Mapping[str, Any]
    """Of its manifest, and so is `environment`."""
    environment: Mapping[str, Any]
    measure: Callable[[Sequence[Cell]], Iterator[Outcome]]
    """Of one worker process: one model, backend and process."""


class Observer(Protocol):
    """Is told what happens, for a display."""

    def planned(self, jobs: Sequence[tuple[str, Cell]]) -> None:
        """Names of sides, and what will be launched of them."""
        ...

    def finished(self, side: str, row: Row) -> None: ...


class StoredPair:
    """A pair in two folders of results, `base` and `candidate`. What they hold already is not measured again."""

    def __init__(self, folder: Path, sides: tuple[Side, Side], observer: Observer, *, resume: bool) -> None:
        """StoreError as of Store.open."""
        self._sides = sides
        self._observer = observer
        with ExitStack() as stack:
            self._stores: dict[str, Store] = {}
            for side in sides:
                store = Store.open(
                    folder / side.name, spec=side.spec, environment=side.environment, resume=resume, cells=None
                )
                stack.callback(store.close)
                self._stores[side.name] = store
            self._close = stack.pop_all()

    @property
    def folders(self) -> list[Path]:
        return [store.folder for store in self._stores.values()]

    def process(self, keys: Collection[Key], processes: int) -> None:
        cells = [replace(key, process=number) for number in range(1, processes + 1) for key in keys]
        groups = []
        for side, group in in_turn(cells, self._sides):
            done = self._stores[side.name].done
            if todo := [cell for cell in group if cell not in done]:
                groups.append((side, todo))
        self._observer.planned([(side.name, cell) for side, todo in groups for cell in todo])
        for side, todo in groups:
            for row, samples in side.measure(todo):
                # At once: what a killed comparison has measured is not measured again.
                self._stores[side.name].append(row, samples)
                self._observer.finished(side.name, row)

    def processes(self) -> tuple[Evidence, Evidence]:
        base, candidate = (self._processes(side) for side in self._sides)
        return base, candidate

    def _processes(self, side: Side) -> Evidence:
        store = self._stores[side.name]
        return Evidence.of(store.rows, source=side.title, manifest=read_manifest(store.folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Notes the end in both manifests, when nothing went wrong."""
        with self._close:
            if error is None:
                for store in self._stores.values():
                    store.finish()


def in_turn(cells: Sequence[Cell], sides: tuple[Side, Side]) -> Iterator[tuple[Side, list[Cell]]]:
    """The sides' workers, by process: of each, A then B, in the next process B then A, and so on.

    The two workers of one model and backend follow each other at once, so that the machine has little time to change
    between them; by the turns, what it drifts falls on both.
    """
    workers = {worker: index for index, worker in enumerate(dict.fromkeys(cell.worker for cell in cells))}
    ordered = sorted(cells, key=lambda cell: (cell.process, workers[cell.worker], cell.resolution_px))
    for worker, group in groupby(ordered, key=lambda cell: cell.worker):
        of_worker = list(group)
        process = worker[2]
        for side in sides if process % 2 else reversed(sides):
            yield side, of_worker
