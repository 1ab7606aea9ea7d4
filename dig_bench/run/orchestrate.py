"""Runs a sweep: measures its cells in worker processes and stores each row at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from rich.console import Console

from dig_bench.cell import WRONG, Row
from dig_bench.machine import environment
from dig_bench.machine.device_lock import alone_on
from dig_bench.plan.availability import unavailable_cells
from dig_bench.plan.estimate import cell_seconds
from dig_bench.plan.sweep import Sweep, default_folder
from dig_bench.render.text import count
from dig_bench.results.store import Store
from dig_bench.run.progress import TimeLeft, choose_display, say_on, summary
from dig_bench.run.workers import measure


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
) -> tuple[Path, list[Row]]:
    """Measures the cells that the folder lacks; returns the folder and the rows of all cells.

    Without a folder, the results go to `default_folder`. `resume`, `extend` and `retry` are those of Store.open. Locks
    the device meanwhile (see `alone_on`). Raises DeviceLockError when the device is not free within `wait_s`, and
    StoreError when the folder cannot be written or holds another sweep.
    """
    how = {"resume": resume, "extend": extend, "retry": retry}
    with alone_on(sweep.device, wait_s=wait_s, say=partial(say_on, console, quiet)):
        return _run_alone(sweep, folder, how, quiet=quiet, console=console)


def _run_alone(
    sweep: Sweep, folder: Path | None, how: Mapping[str, bool], *, quiet: bool, console: Console
) -> tuple[Path, list[Row]]:
    machine = environment.describe(sweep.device)
    folder = folder or default_folder(sweep, machine)
    cells = frozenset(sweep.cells)
    store = Store.open(folder, spec=sweep.spec(), environment=machine, cells=cells, **how)
    todo = [cell for cell in sweep.cells if cell not in store.done]
    time_left = TimeLeft({cell: cell_seconds(cell, sweep.protocol) for cell in todo})
    try:
        with choose_display(console, time_left, quiet=quiet) as display:
            num_done = len(sweep.cells) - len(todo)
            display.note(f"{folder}: {count(len(todo), 'cell')} to measure, {num_done} done already")
            for line in filter(None, [store.repaired, *map(str, unavailable_cells(todo))]):
                display.note(line)
            for row, samples in measure(todo, protocol=sweep.protocol, plugins=sweep.plugins, observer=display):
                # At once: a killed sweep loses no measured row.
                store.append(row, samples)
                display.finished(row)
    except BaseException as error:
        store.close()
        if isinstance(error, KeyboardInterrupt):
            stored = f"{len(store.rows)} of {count(len(sweep.cells), 'cell')}"
            raise KeyboardInterrupt(f"{folder} has {stored}; run the same command again to resume") from None
        raise
    store.finish()
    by_cell = {row.cell: row for row in store.rows}
    rows = [by_cell[cell] for cell in sweep.cells]
    display.note(summary(rows))
    display.note(", ".join(f"{number} {status}" for status, number in Counter(row.status for row in rows).items()))
    return folder, rows


def any_failed(rows: Iterable[Row]) -> bool:
    """Returns True when a row says that something is wrong: a crash, a timeout or a mismatch."""
    return any(row.status in WRONG for row in rows)
