"""Runs a sweep: hands its cells to worker processes, stores each row as it comes, and says what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console

from dig_bench.cell import WRONG, Row
from dig_bench.machine import environment
from dig_bench.machine.device_lock import alone_on
from dig_bench.plan.estimate import cell_count, cell_seconds, hindrances
from dig_bench.plan.sweep import Sweep, default_folder
from dig_bench.results.store import MANIFEST, ROWS, SAMPLES, Store
from dig_bench.run.progress import TimeLeft, choose_display, summary
from dig_bench.run.workers import Workers, measure


def run(
    sweep: Sweep,
    folder: Path | None,
    *,
    resume: bool,
    extend: bool = False,
    retry: bool = False,
    quiet: bool,
    console: Console,
    wait_s: float | None = None,
    workers: Workers | None = None,
) -> tuple[Path, list[Row]]:
    """Measures what the folder does not hold yet; None is `default_folder`. Returns it, and the rows of all cells.

    `resume`, `extend` and `retry` are those of Store.open, `workers` those of isolate.measure.

    Holds the device meanwhile, see `alone_on`: DeviceLockError when it is not free within `wait_s`. StoreError when the
    folder cannot be written or holds something else.
    """

    def say(text: str) -> None:
        if not quiet:
            console.print(text, soft_wrap=True, markup=False, highlight=False)

    how = {"resume": resume, "extend": extend, "retry": retry}
    with alone_on(sweep.device, wait_s=wait_s, say=say):
        return _run_alone(sweep, folder, how, quiet=quiet, console=console, workers=workers)


def _run_alone(
    sweep: Sweep,
    folder: Path | None,
    how: Mapping[str, bool],
    *,
    quiet: bool,
    console: Console,
    workers: Workers | None,
) -> tuple[Path, list[Row]]:
    machine = environment.describe(sweep.device)
    folder = folder or default_folder(sweep, machine)
    cells = frozenset(sweep.cells)
    store = Store.open(folder, spec=sweep.spec(), environment=machine, cells=cells, **how)
    todo = [cell for cell in sweep.cells if cell not in store.done]
    time_left = TimeLeft({cell: cell_seconds(cell, sweep.protocol) for cell in todo})
    try:
        with choose_display(console, time_left, quiet=quiet) as display:
            there = len(sweep.cells) - len(todo)
            display.note(f"{folder}: {cell_count(len(todo))} to measure, {there} there already")
            for line in filter(None, [store.repaired, *hindrances(todo)]):
                display.note(line)
            for row, samples in measure(
                todo, protocol=sweep.protocol, plugins=sweep.plugins, observer=display, workers=workers
            ):
                # At once: what a killed sweep has measured is not measured again.
                store.append(row, samples)
                display.finished(row)
    except BaseException as error:
        store.close()
        if isinstance(error, KeyboardInterrupt):
            stored = f"{len(store.rows)} of {cell_count(len(sweep.cells))}"
            raise KeyboardInterrupt(f"{folder} has {stored}, the same command goes on") from None
        raise
    store.finish()
    by_cell = {row.cell: row for row in store.rows}
    rows = [by_cell[cell] for cell in sweep.cells]
    display.note(summary(rows))
    display.note(", ".join(f"{count} {status}" for status, count in Counter(row.status for row in rows).items()))
    return folder, rows


def files(folder: Path, *, figures: bool) -> list[Path]:
    """What a sweep has written; its figures are drawn now if they are wanted."""
    written = [path for name in (ROWS, SAMPLES, MANIFEST) if (path := folder / name).exists()]
    if figures:
        # Drawing is what makes matplotlib and pandas load.
        from dig_bench.report import write_figures

        written += write_figures(folder)
    return written


def any_failed(rows: Iterable[Row]) -> bool:
    return any(row.status in WRONG for row in rows)
