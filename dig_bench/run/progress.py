"""What a sweep shows while it runs: a live line below the finished cells, or plain lines, or nothing."""

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

STYLES = {"ok": "green", "noisy": "yellow", "throttled": "yellow", "unsupported": "dim", "oom": "magenta"}
"""By status; what is missing here went wrong."""

MAX_DETAIL = 160
"""Characters of a row's detail that are shown; rows.csv has all of them."""


class TimeLeft:
    """Scales what the remaining cells are estimated to take by how wrong the estimate of the finished ones was.

    Its keys are cells, and of a comparison (side, cell).
    """

    def __init__(self, seconds_of: Mapping[Any, float], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_of = dict(seconds_of)
        self._clock = clock
        self._started_s = clock()
        self._finished: set[Hashable] = set()

    def plan(self, seconds_of: Mapping[Any, float]) -> None:
        """What turned out to be needed, too."""
        self._seconds_of.update(seconds_of)

    def finish(self, key: Hashable) -> None:
        self._finished.add(key)

    @property
    def count(self) -> str:
        return f"{len(self._finished)}/{len(self._seconds_of)}"

    @property
    def share(self) -> float:
        """Of the estimated time, in 0..1."""
        total_s = sum(self._seconds_of.values())
        return sum(self._seconds_of[cell] for cell in self._finished) / total_s if total_s else 1.0

    def __str__(self) -> str:
        share = self.share
        # Cells that cannot run are finished in no time, and tell nothing.
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
        """A worker takes up the cell."""

    def phase(self, cell: Cell, text: str) -> None:
        """What the worker does now: gate, warm-up, timing."""

    def note(self, message: str | Table) -> None:
        """What is to be said of the sweep as a whole."""

    def finished(self, row: Row, side: str = "") -> None:
        """`side` is that of a comparison."""
        self.time_left.finish((side, row.cell) if side else row.cell)


class Plain(Quiet):
    """One line for each finished cell: for logs and pipes."""

    def note(self, message: str | Table) -> None:
        self.console.print(message, soft_wrap=True, markup=False, highlight=False)

    def finished(self, row: Row, side: str = "") -> None:
        super().finished(row, side)
        line = Text(f"[{self.time_left.count}] {side and side + ': '}{row.cell}  ") + found(row)
        self.console.print(line, soft_wrap=True)


class Rolling(Plain):
    """The finished cells roll by as in Plain; below them stand the running one, its phase and the time left."""

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
    """The one that suits the output."""
    if quiet:
        return Quiet(console, time_left)
    return Rolling(console, time_left) if console.is_interactive else Plain(console, time_left)


def found(row: Row) -> Text:
    """`12.3 ms [12.1, 12.5]  81.3 images/s  412 MiB`, and what is not as it should be."""
    parts = []
    if row.latency_ms_median is not None:
        parts.append(
            f"{row.latency_ms_median:.4g} ms [{_figure(row.latency_ms_ci_low)}, {_figure(row.latency_ms_ci_high)}]"
        )
    if row.images_per_s is not None:
        parts.append(f"{row.images_per_s:.4g} images/s")
    if row.peak_allocated_mib is not None:
        parts.append(f"{row.peak_allocated_mib:.0f} MiB")
    if row.status != "ok":
        detail = row.detail if len(row.detail) <= MAX_DETAIL else row.detail[:MAX_DETAIL] + "..."
        parts.append(f"{row.status}: {detail}" if detail else row.status)
    return Text("  ".join(parts), style=STYLES.get(row.status, "red"))


def summary(rows: Iterable[Row]) -> Table:
    """A line for each curve, a column for each resolution: the median latency in ms, or why there is none."""
    rows = list(rows)
    resolutions_px = sorted({row.resolution_px for row in rows})
    table = Table("median ms", *(f"{px} px" for px in resolutions_px))
    for column in table.columns[1:]:
        column.justify = "right"
    curves: dict[Key, dict[int, Row]] = {}
    for row in rows:
        curves.setdefault(row.cell.without("resolution_px"), {})[row.resolution_px] = row
    for series, by_resolution in curves.items():
        process = f" process {series.process}" if series.process > 1 else ""
        label = f"{series.name} b{series.batch_size} {series.mode} {series.precision} {series.execution}{process}"
        table.add_row(Text(label), *(_outcome(by_resolution.get(px)) for px in resolutions_px))
    return table


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 90 else f"{minutes} min"


def _outcome(row: Row | None) -> Text:
    if row is None:
        return Text("")
    return Text(_figure(row.latency_ms_median) if row.measured else row.status, style=STYLES.get(row.status, "red"))


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"
