"""Launches of two sides in turn, A B B A: more of them for undecided cells, fresh ones for suspects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from dig_bench.cell import Cell, Row
from dig_bench.compare.calibration import Calibration
from dig_bench.compare.comparison import CellComparison, Comparison, compare
from dig_bench.compare.decision import MIN_LAUNCHES
from dig_bench.compare.launches import Key, Launches
from dig_bench.compare.settings import Settings
from dig_bench.results.store import Store, read_manifest

CONFIRMATION = "confirmation"
"""The folder of the launches that confirm, below that of those that raised the suspicion."""

Outcome = tuple[Row, Mapping[str, Sequence[float]]]
"""A row and its samples."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How often each side is launched. ValueError for what cannot lead to a decision."""

    launches: int = 3
    max_launches: int = 10
    """Undecided cells get launches up to here: twice as many as they have, and so on."""

    def __post_init__(self) -> None:
        if self.launches < MIN_LAUNCHES:
            raise ValueError(f"--launches takes a whole number from {MIN_LAUNCHES}, not {self.launches}")
        if self.max_launches < self.launches:
            raise ValueError(f"--max-launches is {self.launches} at least, not {self.max_launches}")

    @staticmethod
    def chosen(launches: int | None, max_launches: int | None, calibration: Calibration | None) -> Plan:
        """What is given, else what the calibration recommends, else the default."""
        if launches is None:
            launches = (calibration and calibration.launches) or Plan.launches
        if max_launches is None:
            max_launches = max(launches, (calibration and calibration.max_launches) or Plan.max_launches)
        return Plan(launches=launches, max_launches=max_launches)


class Pair(Protocol):
    """Two sides that can be launched."""

    def launch(self, keys: Collection[Key], launches: int) -> None:
        """Both sides of these cells, so often in all."""
        ...

    def launches(self) -> tuple[Launches, Launches]:
        """What base and candidate have by now."""
        ...


def decide_in_turn(
    keys: Collection[Key], settings: Settings, plan: Plan, *, first: Pair, fresh: Callable[[], Pair]
) -> Comparison:
    """Launches the cells until each is decided or the plan's cap is reached, then the suspects anew.

    A suspect counts as a regression only by what `fresh`, a pair without launches, says of it.
    """
    comparison = _launch(first, keys, settings, plan, is_open=lambda cell: not cell.suspected)
    if not comparison.suspects:
        return comparison
    return comparison.confirmed_by(_launch(fresh(), comparison.suspects, settings, plan, is_open=lambda cell: True))


def _launch(
    pair: Pair, keys: Collection[Key], settings: Settings, plan: Plan, *, is_open: Callable[[CellComparison], bool]
) -> Comparison:
    wanted = plan.launches
    while True:
        pair.launch(keys, wanted)
        comparison = compare(*pair.launches(), settings)
        keys = [cell.key for cell in comparison.undecided if is_open(cell)]
        if not keys or wanted == plan.max_launches:
            return comparison
        # Doubled, not one by one: the fewer looks at the launches, the fewer chances to be wrong.
        wanted = min(2 * wanted, plan.max_launches)


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
    """Of one worker process: one model, backend and launch."""


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

    def launch(self, keys: Collection[Key], launches: int) -> None:
        cells = [replace(key, launch=number) for number in range(1, launches + 1) for key in keys]
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

    def launches(self) -> tuple[Launches, Launches]:
        base, candidate = (self._launches(side) for side in self._sides)
        return base, candidate

    def _launches(self, side: Side) -> Launches:
        store = self._stores[side.name]
        return Launches.of(store.rows, source=side.title, manifest=read_manifest(store.folder))

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
    """The sides' workers, by launch: of each, A then B, in the next launch B then A, and so on.

    The two workers of one model and backend follow each other at once, so that the machine has little time to change
    between them; by the turns, what it drifts falls on both.
    """
    workers = {worker: index for index, worker in enumerate(dict.fromkeys(cell.worker for cell in cells))}
    ordered = sorted(cells, key=lambda cell: (cell.launch, workers[cell.worker], cell.resolution_px))
    for worker, group in groupby(ordered, key=lambda cell: cell.worker):
        of_worker = list(group)
        launch = worker[2]
        for side in sides if launch % 2 else reversed(sides):
            yield side, of_worker
