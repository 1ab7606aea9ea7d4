"""Progress of a sweep: a line per cell, an honest time left, one table at the end."""

import io

from rich.console import Console

from dig_bench.cell import STATUSES, Cell, Row
from dig_bench.run.progress import Plain, Quiet, Rolling, TimeLeft, choose_display, found, summary

CELLS = [Cell(model="DiG-S/2", backend="chunked", resolution_px=px) for px in (256, 512)]
MEASURED = {"latency_ms_median": 12.34, "latency_ms_ci_low": 12.1, "latency_ms_ci_high": 12.5, "images_per_s": 81.04}


def console(*, terminal: bool = False, kind: str = "xterm") -> Console:
    return Console(file=io.StringIO(), width=120, force_terminal=terminal, _environ={"TERM": kind})


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def time_left(clock: list[float] | None = None) -> TimeLeft:
    ticks = iter(clock or [0.0] * 99)
    return TimeLeft({CELLS[0]: 1.0, CELLS[1]: 3.0}, clock=lambda: next(ticks))


def test_a_row_says_latency_interval_throughput_and_memory() -> None:
    row = Row.of(CELLS[0], "ok", **MEASURED, peak_allocated_mib=412.3)
    assert found(row).plain == "12.34 ms [12.10, 12.50]  81.04 images/s  412 MiB"


def test_a_row_that_failed_says_why() -> None:
    assert found(Row.of(CELLS[0], "crashed", detail="killed by signal 9")).plain == "crashed: killed by signal 9"
    assert found(Row.of(CELLS[0], "oom", detail="x" * 999)).plain == f"oom: {'x' * 160}..."
    noisy = Row.of(CELLS[0], "noisy", detail="interval of 9 %", **MEASURED)
    assert found(noisy).plain == "12.34 ms [12.10, 12.50]  81.04 images/s  noisy: interval of 9 %"


def test_plain_output_is_a_line_for_each_cell_however_long() -> None:
    to = console()
    with Plain(to, time_left()) as display:
        display.started(CELLS[0])
        display.phase(CELLS[0], "correctness check")
        display.finished(Row.of(CELLS[0], "crashed", detail="[red]x[/red] " + "y" * 200))
        display.finished(Row.of(CELLS[1], "ok", **MEASURED))
    lines = printed(to).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        "[1/2] DiG-S/2@chunked · 256 px · forward · fp32 · eager · batch 1 · cpu  crashed: [red]x[/red] yyy"
    )
    assert lines[1].startswith("[2/2] DiG-S/2@chunked · 512 px")


def test_quiet_output_is_none() -> None:
    to = console()
    with Quiet(to, time_left()) as display:
        display.started(CELLS[0])
        display.note("hello")
        display.finished(Row.of(CELLS[0], "ok", **MEASURED))
    assert printed(to) == ""


def test_a_terminal_shows_the_running_cell_and_its_phase() -> None:
    to = console(terminal=True)
    with Rolling(to, time_left()) as display:
        display.started(CELLS[0])
        display.phase(CELLS[0], "timing [12 samples]")
        display.finished(Row.of(CELLS[0], "ok", **MEASURED))
        to.print(display)
    shown = printed(to)
    assert "timing [12 samples]" in shown
    assert "1/2" in shown
    assert "12.34 ms" in shown


def test_the_display_suits_the_output() -> None:
    assert type(choose_display(console(), time_left(), quiet=False)) is Plain
    assert type(choose_display(console(terminal=True), time_left(), quiet=False)) is Rolling
    assert type(choose_display(console(terminal=True), time_left(), quiet=True)) is Quiet
    # It cannot redraw a line.
    assert type(choose_display(console(terminal=True, kind="dumb"), time_left(), quiet=False)) is Plain


def test_the_time_left_follows_what_finished_cells_took() -> None:
    left = time_left([100.0, 120.0])
    assert str(left) == "roughly 4 s"
    left.finish(CELLS[0])
    # A quarter of the estimate took 20 s.
    assert str(left) == "~60 s left"
    assert left.count == "1/2"


def test_cells_that_take_no_time_leave_the_time_left_as_it_was() -> None:
    left = TimeLeft({CELLS[0]: 0.0, CELLS[1]: 240.0}, clock=lambda: 100.0)
    left.finish(CELLS[0])
    assert str(left) == "roughly 4 min"
    assert left.count == "1/2"


def test_nothing_to_do_is_done() -> None:
    assert TimeLeft({}).share == 1.0


def test_the_summary_has_a_line_for_each_curve_and_shows_every_status() -> None:
    rows = [Row.of(Cell(model="DiG-S/2", backend="fla", resolution_px=256 * i), s) for i, s in enumerate(STATUSES, 1)]
    rows.append(Row.of(CELLS[0], "ok", **MEASURED))
    to = Console(file=io.StringIO(), width=200)
    to.print(summary(rows))
    shown = printed(to)
    assert [shown.count(name) for name in ("DiG-S/2@fla", "DiG-S/2@chunked", "12.34", "crashed", "oom")] == [1] * 5
    assert "2048 px" in shown
