"""`dig-bench list` and `dig-bench doctor`: what there is, and what of it this machine can measure."""

from __future__ import annotations

import typer

from dig_bench.cli.app import FAILED, OK, DeviceOption, PluginOption, app, console


@app.command("list")
def list_models(device: DeviceOption = "auto", plugin: PluginOption = None) -> None:
    """Models with their parameters; backends, whether each can run here, and if not, why.

    \b
    dig-bench list
    dig-bench list --device cuda
    """
    from dig_bench.machine import devices
    from dig_bench.machine.backends import listing
    from dig_bench.plan import plugins

    plugins.load(plugin or ())
    console().print(listing(devices.choose(device)))


@app.command(epilog="Exit codes: 0 the default sweep of this machine can run, 1 something that it needs is missing.")
def doctor() -> None:
    """The machine, the versions, what is missing and the command that installs it."""
    from dig_bench.machine.doctor import diagnose

    diagnosis = diagnose()
    console().print(diagnosis.table())
    raise typer.Exit(OK if diagnosis.healthy else FAILED)
