"""`dig-bench list` and `dig-bench doctor`: models, backends, and what this machine can measure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from dig_bench.cli.app import FAILED, OK, DeviceOption, PluginOption, app, console

if TYPE_CHECKING:
    from rich.table import Table

    from dig_bench.machine.doctor import Diagnosis


@app.command("list")
def list_models(
    device: DeviceOption = "auto",
    plugin: PluginOption = None,
    parameters: Annotated[
        bool, typer.Option("--parameters", help="count the parameters of each model, which takes seconds")
    ] = False,
) -> None:
    """List the models, and the backends with the reason if one cannot run here.

    \b
    dig-bench list
    dig-bench list --device cuda --parameters
    """
    from dig_bench.machine import devices
    from dig_bench.plan import plugins

    plugins.load(plugin or ())
    chosen = devices.choose(device)
    screen = console()
    screen.print(_models(parameters=parameters))
    screen.print(_backends(chosen))


@app.command(epilog="Exit codes: 0 the default sweep of this machine can run; 1 something that it needs is missing.")
def doctor() -> None:
    """Check the machine, the versions and the backends, and name the command that installs what is missing."""
    from dig_bench.machine.doctor import diagnose

    diagnosis = diagnose()
    for table in _diagnosis(diagnosis):
        console().print(table)
    raise typer.Exit(OK if diagnosis.healthy else FAILED)


def _models(*, parameters: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    from dig_bench.machine.backends import count_parameters
    from dig_models import CATALOG

    table = Table("model", "backends", title="models", title_justify="left")
    if parameters:
        table.add_column("parameters", justify="right")
    for name, model in CATALOG.items():
        count = [f"{count_parameters(model) / 1e6:.1f} M"] if parameters else []
        table.add_row(Text(name), Text(" ".join(model.architecture.backends)), *count)
    return table


def _backends(device: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    from dig_bench.machine.backends import backend_states
    from dig_bench.render.levels import level_of

    table = Table("architecture", "backend", f"on {device}", title="backends", title_justify="left")
    for each in backend_states(device):
        runs = "runs, the default" if each.is_default else "runs"
        level = level_of("optional" if each.reason else "ok")
        table.add_row(each.architecture, Text(each.backend), Text(each.reason or runs, style=level.terminal))
    return table


def _diagnosis(diagnosis: Diagnosis) -> Iterator[Table]:
    """Yields a table of the machine and one of the checks."""
    from rich.table import Table
    from rich.text import Text

    from dig_bench.render.levels import level_of

    machine, checks = Table("machine", ""), Table("check", "", "")
    for name, fact in diagnosis.machine.items():
        if fact is not None:
            machine.add_row(name, Text(str(fact)))
    for check in diagnosis.checks:
        checks.add_row(check.name, Text(check.state, style=level_of(check.state).terminal), Text(check.text))
    yield from (machine, checks)
