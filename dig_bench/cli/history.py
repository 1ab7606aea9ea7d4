"""`dig-bench history add` and `dig-bench history show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli import complete
from dig_bench.cli.app import OK, Commands, app, console

NO_ENTRIES = 5

HistoryOption = Annotated[Path, typer.Option("--history", metavar="FOLDER", help="folder of the entries")]

history = typer.Typer(cls=Commands, help="Keep the results of revisions, and find change points between them.")
app.add_typer(history, name="history")


@history.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@history.command("add", epilog="Exit codes: 0 the results are in the history; 2 usage error, or unusable results.")
def add_results(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS", help="folders that sweeps wrote", show_default=False)
    ],
    folder: HistoryOption = Path("history"),
    revision: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="revision of results that were measured outside of a git checkout"),
    ] = None,
) -> None:
    """Copy results into a history. Results that are there already are not added again; no entry ever changes.

    \b
    dig-bench history add results/h100-80gb-hbm3/quick --history history
    """
    from dig_bench.history.add import add

    for each in results:
        entry, is_new = add(each, folder, revision=revision)
        print(entry if is_new else f"{entry} is there already")


@history.command("show", epilog="Exit codes: 0 shown; 2 usage error; 5 the history has no entries.")
def show_history(
    folder: HistoryOption = Path("history"),
    metrics: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            autocompletion=complete.metrics,
            help="latency, memory, reserved-memory, device-memory, first-call, energy",
        ),
    ] = "latency,memory",
    only: Annotated[str | None, typer.Option(metavar="EXPR", help="as for sweep: 'model=DiG-* and mode=train'")] = None,
    repository: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="git checkout whose commits order the entries; without one the dates do"),
    ] = Path("."),
    output: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="also write FILE.html or .json; repeatable")
    ] = None,
) -> None:
    """Show the trends of a history, its change points, and the revisions that each of them lies between.

    \b
    dig-bench history show --history history
    dig-bench history show --metrics latency,energy --only 'model=DiG-*' --output history.html
    """
    from dig_bench.compare.settings import parse_metrics
    from dig_bench.files import output_file
    from dig_bench.history.entries import read
    from dig_bench.history.output import SUFFIXES, render, terminal
    from dig_bench.history.trends import trends
    from dig_bench.plan.filter import parse_filter

    output_file.check(output or (), SUFFIXES)
    wanted = parse_metrics(metrics)
    chosen = parse_filter(only) if only is not None else None
    found = trends(read(folder), repository=repository, metrics=wanted, only=chosen)
    console().print(terminal.render(found))
    for path in output or []:
        output_file.write(path, render(found, path.suffix))
        print(path)
    raise typer.Exit(OK if found.entries else NO_ENTRIES)
