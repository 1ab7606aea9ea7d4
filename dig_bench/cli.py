"""The command line: parse, call, print. torch, pandas and matplotlib are imported by the commands that need them."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dig_bench import __version__
from dig_bench.cell import PRECISIONS

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

EXIT_CODES = (
    "Exit codes: 0 every cell has its row, be it measured, out of memory or unsupported; "
    "1 a cell crashed, timed out or disagreed with its reference; 2 the command cannot be run as it is written; "
    "130 interrupted, and the same command goes on."
)

# Typer ships its own copy of click or imports it, by version; this is click's UsageError in both.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="dig-bench",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DeviceOption = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:N")]
PluginOption = Annotated[
    list[str] | None, typer.Option(metavar="FILE.py", help="a file with backbones of your own; repeatable")
]
what = partial(typer.Option, rich_help_panel="What is measured")
how = partial(typer.Option, rich_help_panel="How it is measured")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version and leave", is_eager=True)] = False,
) -> None:
    """How efficient is a diffusion backbone, and why: DiG, DiT and DiS behind one interface, measured.

    \b
    dig-bench sweep                     what suits this machine, in minutes
    dig-bench sweep --res 256..2048     the same over the paper's resolutions
    dig-bench report RESULTS            one HTML page of it
    dig-bench doctor                    what this machine can measure
    """
    if version:
        print(f"dig-bench {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


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
    folder, rows = orchestrate.run(wanted, out, resume=resume, quiet=quiet, console=_console())
    for path in orchestrate.files(folder, figures=figures):
        print(path)
    if not quiet:
        print(f"a page of it: dig-bench report {folder}")
    raise typer.Exit(FAILED if orchestrate.any_failed(rows) else OK)


@app.command()
def report(
    results: Annotated[Path, typer.Argument(help="a folder that a sweep wrote, or a rows.csv")],
    out: Annotated[Path | None, typer.Option(help="folder of the page, else reports/")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="what speed-ups are against: DiT-S/2@flash2 or DiT@flash2")
    ] = None,
    name: Annotated[str | None, typer.Option(help="name of the page, else that of the results")] = None,
) -> None:
    """Turn a results folder into one self-contained HTML page, and its figures.

    \b
    dig-bench report results/h100-80gb-hbm3/quick
    dig-bench report results/h100-80gb-hbm3/paper-resolution --baseline DiT@flash2
    """
    from dig_bench.report import write

    for path in write(results, out=out, baseline=baseline, name=name):
        print(path)


@app.command("list")
def list_models(device: DeviceOption = "auto", plugin: PluginOption = None) -> None:
    """Models with their parameters; backends, whether each can run here, and if not, why.

    \b
    dig-bench list
    dig-bench list --device cuda
    """
    from dig_bench import devices, plugins
    from dig_bench.listing import listing

    plugins.load(plugin or ())
    _console().print(listing(devices.choose(device)))


@app.command(epilog="Exit codes: 0 the default sweep of this machine can run, 1 something that it needs is missing.")
def doctor() -> None:
    """The machine, the versions, what is missing and the command that installs it."""
    from dig_bench.doctor import diagnose

    diagnosis = diagnose()
    _console().print(diagnosis.table())
    raise typer.Exit(OK if diagnosis.healthy else FAILED)


def main() -> None:
    """Exits with one of the codes above; what the user can mend is one line on stderr."""
    try:
        sys.exit(app(prog_name="dig-bench", standalone_mode=False))
    except UsageError as error:
        sys.exit(_complain(error.format_message()))  # type: ignore[attr-defined]
    except ValueError as error:
        sys.exit(_complain(str(error)))
    except (KeyboardInterrupt, typer.Abort):
        print("dig-bench: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _complain(message: str) -> int:
    print("dig-bench:", " ".join(message.split()), file=sys.stderr)
    return USAGE


def _console() -> Console:
    console = Console()
    # Off a terminal a line is as long as it needs to be: no log should be wrapped at 80 columns.
    return console if console.is_terminal else Console(width=200)


if __name__ == "__main__":
    main()
