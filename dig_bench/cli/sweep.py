"""`dig-bench sweep`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cell import PRECISIONS
from dig_bench.cli.app import FAILED, OK, DeviceOption, PluginOption, WaitOption, app, console

EXIT_CODES = (
    "Exit codes: 0 every cell has its row, be it measured, out of memory or unsupported; "
    "1 a cell crashed, timed out or disagreed with its reference; 2 the command cannot be run as it is written; "
    "130 interrupted, and the same command goes on."
)

what = partial(typer.Option, rich_help_panel="What is measured")
how = partial(typer.Option, rich_help_panel="How it is measured")


@app.command(epilog=EXIT_CODES)
def sweep(
    res: Annotated[
        str | None, what(metavar="LIST", help="256,1024 or 256..2048 (every 256), 256..2048:512, 256..2048:x2")
    ] = None,
    models: Annotated[
        list[str] | None,
        what(
            metavar="LIST",
            help="DiG-S/2, DiT-S/2@flash2, 'DiG-*/2', '*@fla', 'DiT-S/2@*'; without @ what suits the device",
        ),
    ] = None,
    batch: Annotated[str | None, what(metavar="LIST", help="batch sizes: 1,8,64")] = None,
    mode: Annotated[str | None, what(metavar="LIST", help="forward, train")] = None,
    precision: Annotated[str | None, what(metavar="LIST", help="fp32, tf32, bf16, fp16")] = None,
    execution: Annotated[str | None, what(metavar="LIST", help="eager, graph, compile")] = None,
    launches: Annotated[int, what(metavar="N", help="measure everything so often, in fresh processes")] = 1,
    preset: Annotated[
        str | None,
        what(
            metavar="NAME",
            help="demo, quick, paper-resolution, paper-size, backends; the options above change its axes",
        ),
    ] = None,
    only: Annotated[
        str | None, what(metavar="EXPR", help="'model=DiG-* and resolution_px<=1024 and precision=bf16'")
    ] = None,
    plugin: PluginOption = None,
    device: DeviceOption = "auto",
    plan: Annotated[bool, typer.Option("--plan", help="print the cells and an estimate, run nothing")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="where results go, else results/MACHINE/NAME")
    ] = None,
    resume: Annotated[bool, typer.Option(help="go on where the same sweep stopped")] = True,
    wait: WaitOption = None,
    figures: Annotated[bool, typer.Option(help="draw the curves at the end")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print errors and the paths written, no more")] = False,
    timeout: Annotated[float | None, how(metavar="S", help="give a cell up after so many seconds")] = None,
    warmup_seconds: Annotated[float | None, how(metavar="S", help="warm up no longer than this")] = None,
    target_ci: Annotated[
        float | None, how(metavar="SHARE", help="stop when the 95 % interval of the median is +- this share of it")
    ] = None,
    min_samples: Annotated[int | None, how(metavar="N", help="time so many calls whatever they cost")] = None,
    max_samples: Annotated[int | None, how(metavar="N", help="time no more calls than this")] = None,
    max_seconds: Annotated[float | None, how(metavar="S", help="time calls no longer than this")] = None,
    gate_tolerance: Annotated[
        float | None,
        how(metavar="ERROR", help="relative error against the reference that is let pass, at any precision"),
    ] = None,
) -> None:
    """Measure backbones over resolutions, batch sizes, modes, precisions and executions.

    A finished cell is a row on disk at once; killed, the same command goes on where it stopped.
    Without options: the preset quick on a GPU, demo on a CPU.

    \b
    dig-bench sweep --res 256..2048
    dig-bench sweep --models 'DiG-S/2,DiT-S/2@*' --precision bf16 --mode train
    dig-bench sweep --preset paper-resolution --only 'model=DiG-*' --plan
    """
    from dig_bench import devices, estimate, orchestrate, plugins
    from dig_bench.options import parse_axes
    from dig_bench.sweep import make

    plugins.load(plugin or ())
    device_type = devices.choose(device)
    wanted = make(
        device=device_type,
        preset=preset,
        axes=parse_axes(models=models, res=res, batch=batch, mode=mode, precision=precision, execution=execution),
        only=only,
        launches=launches,
        protocol={
            "timeout_s": timeout,
            "warmup_seconds": warmup_seconds,
            "target_half_width": target_ci,
            "min_samples": min_samples,
            "max_samples": max_samples,
            "max_seconds": max_seconds,
            **{f"tolerance_{each}": gate_tolerance for each in PRECISIONS},
        },
        plugins=plugin or (),
    )
    if plan:
        print(estimate.described(wanted))
        return
    devices.require(device_type)
    folder, rows = orchestrate.run(wanted, out, resume=resume, wait_s=wait, quiet=quiet, console=console())
    for path in orchestrate.files(folder, figures=figures):
        print(path)
    if not quiet:
        print(f"a page of it: dig-bench report {folder}")
    raise typer.Exit(FAILED if orchestrate.any_failed(rows) else OK)
