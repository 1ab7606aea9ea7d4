"""Measures cells in worker processes, in turn.

Cells of one model, backend and process number share a worker, which is replaced after every failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Protocol

from dig_bench import protocol as protocols
from dig_bench.cell import Cell, Key, Row, Status, one_line
from dig_bench.files.clock import utc_now
from dig_bench.run.interrupt import Interrupt
from dig_bench.run.source import HERE, Source
from dig_bench.run.task import TaskError
from dig_bench.run.worker_process import Worker

if TYPE_CHECKING:
    from dig_bench.run.measure_cell import Samples

TASK = "dig_bench.run.measure_cell:serve"


class Observer(Protocol):
    """Receives what happens to the cells, for a display."""

    def started(self, cell: Cell) -> None: ...

    def phase(self, cell: Cell, text: str) -> None: ...


def start_worker(source: Source) -> Worker:
    """Starts a worker that measures cells with the code in `source`.

    The one place that starts workers for cells: a program that starts them ahead replaces this function.
    """
    return Worker(TASK, root=source.root)


def measure(
    cells: Iterable[Cell],
    *,
    protocol: protocols.Protocol,
    plugins: Sequence[str] = (),
    observer: Observer,
    source: Source = HERE,
    interrupt: Interrupt | None = None,
) -> Iterator[tuple[Row, Samples]]:
    """Yields a row for each cell, in order, as soon as it is measured.

    After a cell ran out of memory, larger resolutions of the same cell are `oom` without a try, and their detail says
    so. A cell that `source` does not know is `unsupported`. On Ctrl-C the running cell finishes and its row is yielded,
    then KeyboardInterrupt is raised; a second Ctrl-C raises it at once. Pass an entered `interrupt` to share it between
    several calls.
    """
    session = _Session(protocol=protocol, plugins=plugins, observer=observer, source=source)
    with nullcontext(interrupt) if interrupt else Interrupt() as interrupt:
        try:
            for cell in cells:
                interrupt.raise_if_asked()
                if reason := source.unavailable(cell):
                    yield _failed(cell, "unsupported", reason), {}
                elif limit_px := session.exhausted_below(cell):
                    yield _failed(cell, "oom", f"skipped: out of memory at {limit_px} px"), {}
                else:
                    yield session.measure(cell, interrupt)
            session.end_worker()
        finally:
            session.kill_worker()


class _Session:
    """The worker in use, and the resolutions at which cells ran out of memory."""

    def __init__(
        self, *, protocol: protocols.Protocol, plugins: Sequence[str], observer: Observer, source: Source
    ) -> None:
        self._protocol = protocol
        self._setup = {"protocol": source.protocol(protocol), "plugins": list(plugins)}
        self._observer = observer
        self._source = source
        self._worker: Worker | None = None
        self._worker_of: tuple[str, str, int] | None = None
        self._exhausted_px: dict[Key, int] = {}

    def exhausted_below(self, cell: Cell) -> int | None:
        """Resolution below the cell's at which the same cell ran out of memory; None where there is none."""
        limit_px = self._exhausted_px.get(cell.without("resolution_px"))
        return limit_px if limit_px is not None and cell.resolution_px > limit_px else None

    def measure(self, cell: Cell, interrupt: Interrupt) -> tuple[Row, Samples]:
        self._observer.started(cell)
        worker = self._worker_for(cell)
        say = partial(self._observer.phase, cell)
        samples: Samples = {}
        try:
            found = worker.call(
                {**self._setup, "cell": self._source.cell(cell)},
                timeout_s=self._protocol.timeout_s,
                say=say,
                idle=lambda: interrupt.announce(say),
            )
            row, samples = self._source.row(cell, found["row"]), found["samples"]
        except TaskError as error:
            row = _failed(cell, error.status, str(error))
        if row.status == "oom":
            self._exhausted_px[cell.without("resolution_px")] = cell.resolution_px
        if not _leaves_worker_sound(row):
            self.kill_worker()
        return row, samples

    def end_worker(self) -> None:
        """Lets an idle worker end by itself."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def kill_worker(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def _worker_for(self, cell: Cell) -> Worker:
        """The worker in use if it is alive and the cell's; a death between two cells is no failure of the next one."""
        if self._worker is not None and (self._worker_of != cell.worker or self._worker.is_dead):
            self.end_worker()
        if self._worker is None:
            self._worker, self._worker_of = start_worker(self._source), cell.worker
        return self._worker


def _leaves_worker_sound(row: Row) -> bool:
    """Returns False after a failure, which may leave memory allocated or a broken CUDA context.

    A cell that was refused before its first call did neither.
    """
    return row.measured or (row.status == "unsupported" and row.first_call_s is None)


def _failed(cell: Cell, status: Status, detail: str) -> Row:
    return Row.of(cell, status, detail=one_line(detail), started_at=utc_now())
