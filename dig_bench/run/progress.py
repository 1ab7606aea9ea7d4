"""Progress of a sweep on a console: a live line below the finished cells, plain lines, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dig_bench.cell import Cell, Key, Row
from dig_bench.render.levels import level_of
from dig_bench.render.numbers import duration, significant

MAX_DETAIL = 160
"""Characters of a row's detail on the console; rows.csv has all of them."""


class TimeLeft:
    """Estimate of the time left, scaled by the error of the estimate for the finished cells.

    Keys are cells, or (side, cell) in a comparison.
    """

    def __init__(self, seconds_of: Mapping[Any, float], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_of = dict(seconds_of)
        self._clock = clock
        self._started_s = clock()
        self._finished: set[Hashable] = set()

    def plan(self, seconds_of: Mapping[Any, float]) -> None:
        """Adds cells, with their estimates, that turned out to be needed."""
        self._seconds_of.update(seconds_of)

    def finish(self, key: Hashable) -> None:
        self._finished.add(key)

    @property
    def count(self) -> str:
        return f"{len(self._finished)}/{len(self._seconds_of)}"

    @property
    def share(self) -> float:
        """Finished share of the estimated time, in 0..1."""
        total_s = sum(self._seconds_of.values())
        return sum(self._seconds_of[cell] for cell in self._finished) / total_s if total_s else 1.0

    def __str__(self) -> str:
        share = self.share
        # Cells that cannot run take no time, and say nothing about the others.
        if not share:
            return f"roughly {duration(sum(self._seconds_of.values()))}"
        left_s = (self._clock() - self._started_s) * (1 - share) / share
        return f"~{duration(left_s)} left"


class Quiet:
    """Shows nothing."""

    def __init__(self, console: Console, time_left: TimeLeft) -> None:
        self.console = console
        self.time_left = time_left

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def started(self, cell: Cell) -> None:
        """Shows that a worker starts with the cell."""

    def phase(self, cell: Cell, text: str) -> None:
        """Shows the worker's phase: correctness check, warm-up, timing."""

    def note(self, message: str | Table) -> None:
        """Shows a message about the whole sweep."""

    def finished(self, row: Row, side: str = "") -> None:
        """Counts and shows a row; `side` is the side of a comparison."""
        self.time_left.finish((side, row.cell) if side else row.cell)


class Plain(Quiet):
    """Prints one line for each finished cell, for logs and pipes."""

    def note(self, message: str | Table) -> None:
        self.console.print(message, soft_wrap=True, markup=False, highlight=False)

    def finished(self, row: Row, side: str = "") -> None:
        super().finished(row, side)
        line = Text(f"[{self.time_left.count}] {side and side + ': '}{row.cell}  ") + found(row)
        self.console.print(line, soft_wrap=True)


class Rolling(Plain):
    """Prints finished cells as Plain does, with the running cell, its phase and the time left below them."""

    def __enter__(self) -> Self:
        self._spinner = Spinner("dots", Text("starting"))
        self._live = Live(get_renderable=self._render, console=self.console, refresh_per_second=8, transient=True)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def started(self, cell: Cell) -> None:
        self.phase(cell, "starting")

    def phase(self, cell: Cell, text: str) -> None:
        self._spinner.update(text=Text.assemble((str(cell), "bold"), f"  {text}"))

    def _render(self) -> Group:
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            ProgressBar(total=1, completed=self.time_left.share, width=30), f"{self.time_left.count}  {self.time_left}"
        )
        return Group(self._spinner, bar)


def choose_display(console: Console, time_left: TimeLeft, *, quiet: bool) -> Quiet:
    """Returns the display that suits the console."""
    if quiet:
        return Quiet(console, time_left)
    return Rolling(console, time_left) if console.is_interactive else Plain(console, time_left)


def say_on(console: Console, quiet: bool, text: str) -> None:
    """Prints a message as it is, in one line, unless `quiet`."""
    if not quiet:
        console.print(text, soft_wrap=True, markup=False, highlight=False)


def found(row: Row) -> Text:
    """`12.34 ms [12.10, 12.50]  81.04 images/s  412 MiB`, then the status if it is not `ok`, and its reason."""
    parts = []
    if row.latency_ms_median is not None:
        ends = f"{significant(row.latency_ms_ci_low, 4)}, {significant(row.latency_ms_ci_high, 4)}"
        parts.append(f"{significant(row.latency_ms_median, 4)} ms [{ends}]")
    if row.images_per_s is not None:
        parts.append(f"{significant(row.images_per_s, 4)} images/s")
    if row.peak_allocated_mib is not None:
        parts.append(f"{significant(row.peak_allocated_mib)} MiB")
    if row.status != "ok":
        detail = row.detail if len(row.detail) <= MAX_DETAIL else row.detail[:MAX_DETAIL] + "..."
        parts.append(f"{row.status}: {detail}" if detail else row.status)
    return Text("  ".join(parts), style=level_of(row.status).terminal)


def summary(rows: Iterable[Row]) -> Table:
    """Returns a table with a line per curve and a column per resolution: median latency in ms, or the status."""
    rows = list(rows)
    resolutions_px = sorted({row.resolution_px for row in rows})
    table = Table("median ms", *(f"{px} px" for px in resolutions_px))
    for column in table.columns[1:]:
        column.justify = "right"
    curves: dict[Key, dict[int, Row]] = {}
    for row in rows:
        curves.setdefault(row.cell.without("resolution_px"), {})[row.resolution_px] = row
    for curve, by_resolution in curves.items():
        table.add_row(Text(curve.label()), *(_outcome(by_resolution.get(px)) for px in resolutions_px))
    return table


def _outcome(row: Row | None) -> Text:
    if row is None:
        return Text("")
    return Text(
        significant(row.latency_ms_median, 4) if row.measured else row.status, style=level_of(row.status).terminal
    )
