"""A pair of sides measured in turn, A B B A, into two folders of results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from dig_bench.cell import Cell, Key, Row
from dig_bench.compare.evidence import Evidence
from dig_bench.results.manifest import read_manifest
from dig_bench.results.store import Store

Outcome = tuple[Row, Mapping[str, Sequence[float]]]
"""A row and its timing samples."""


@dataclass(frozen=True, kw_only=True)
class Side:
    name: str
    """`base` or `candidate`, which is also the name of its folder."""
    title: str
    """Name that the user gave it."""
    spec: Mapping[str, Any]
    """Part of its manifest, as is `environment`."""
    environment: Mapping[str, Any]
    measure: Callable[[Sequence[Cell]], Iterator[Outcome]]
    """Measures the cells of one worker: one model, backend and process."""


class Observer(Protocol):
    """Receives progress, for a display."""

    def planned(self, jobs: Sequence[tuple[str, Cell]]) -> None:
        """Receives the cells to be measured, each with the name of its side."""
        ...

    def finished(self, side: str, row: Row) -> None: ...


class StoredPair:
    """A pair in two folders, `base` and `candidate`. What they hold already is not measured again."""

    def __init__(self, folder: Path, sides: tuple[Side, Side], observer: Observer, *, resume: bool) -> None:
        """Opens the folders. Raises StoreError like Store.open."""
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

    def measure(self, keys: Collection[Key], processes: int) -> None:
        """Measures these cells on both sides until each has this many processes."""
        cells = [key.as_cell(process=number) for number in range(1, processes + 1) for key in keys]
        groups = []
        for side, group in in_turn(cells, self._sides):
            done = self._stores[side.name].done
            if todo := [cell for cell in group if cell not in done]:
                groups.append((side, todo))
        self._observer.planned([(side.name, cell) for side, todo in groups for cell in todo])
        for side, todo in groups:
            for row, samples in side.measure(todo):
                # At once, so that a killed comparison can resume after it.
                self._stores[side.name].append(row, samples)
                self._observer.finished(side.name, row)

    def evidence(self) -> tuple[Evidence, Evidence]:
        """Returns what base and candidate have so far."""
        base, candidate = (self._evidence(side) for side in self._sides)
        return base, candidate

    def _evidence(self, side: Side) -> Evidence:
        store = self._stores[side.name]
        return Evidence.of(store.rows, source=side.title, manifest=read_manifest(store.folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Records the end in both manifests, unless there was an error."""
        with self._close:
            if error is None:
                for store in self._stores.values():
                    store.finish()


def in_turn(cells: Sequence[Cell], sides: tuple[Side, Side]) -> Iterator[tuple[Side, list[Cell]]]:
    """Yields the cells of one worker at a time, with its side: A then B in odd processes, B then A in even ones.

    The two sides' workers of one model and backend follow each other directly, so that the machine has little time to
    change in between. Taking turns spreads its drift over both sides.
    """
    workers = {worker: index for index, worker in enumerate(dict.fromkeys(cell.worker for cell in cells))}
    ordered = sorted(cells, key=lambda cell: (cell.process, workers[cell.worker], cell.resolution_px))
    for worker, group in groupby(ordered, key=lambda cell: cell.worker):
        of_worker = list(group)
        process = worker[2]
        for side in sides if process % 2 else reversed(sides):
            yield side, of_worker
