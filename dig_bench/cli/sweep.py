"""`dig-bench sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli.app import FAILED, OK, app, console
from dig_bench.cli.option_groups import with_option_groups
from dig_bench.cli.plan_text import plan_text
from dig_bench.cli.sweep_options import RunOptions, SweepOptions, what

EXIT_CODES = (
    "Exit codes: 0 every cell has its row (measured, out of memory or unsupported); "
    "1 a cell crashed, timed out or failed the correctness check; 2 usage error; "
    "130 interrupted: run the same command again to resume."
)


@app.command(epilog=EXIT_CODES)
@with_option_groups
def sweep(
    *,
    options: SweepOptions,
    processes: Annotated[int, what(metavar="N", help="fresh processes that measure every cell")] = 1,
    plan: Annotated[bool, typer.Option("--plan", help="print the cells and an estimate, measure nothing")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="folder of the results; default: results/MACHINE/NAME")
    ] = None,
    run: RunOptions,
    extend: Annotated[bool, typer.Option("--extend", help="add cells to an earlier sweep in the folder")] = False,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="measure cells again that crashed, timed out or failed the correctness check"),
    ] = False,
    figures: Annotated[bool, typer.Option(help="draw the curves at the end")] = True,
) -> None:
    """Measure backbones over resolutions, batch sizes, modes, precisions and executions.

    Each finished cell is written to disk at once. Run the same command again to resume an interrupted sweep.
    The default is the preset quick on a GPU and demo on a CPU.

    \b
    dig-bench sweep --res 256..2048
    dig-bench sweep --models 'DiG-S/2,DiT-S/2@*' --precision bf16 --mode train
    dig-bench sweep --preset paper-resolution --only 'model=DiG-*' --plan
    dig-bench sweep --mode sample --sampler dpm++ --sampler-steps 20 --vae
    dig-bench sweep --res 256..2048 --models 'DiG-S/2,DiT-S/2' --extend --out results/mine
    """
    from dig_bench.machine import devices
    from dig_bench.run import orchestrate

    wanted = options.sweep(processes=processes)
    if plan:
        print(plan_text(wanted))
        return
    devices.require(wanted.device)
    folder, rows = orchestrate.run(
        wanted,
        out,
        resume=run.resume,
        extend=extend,
        retry=retry,
        wait_s=run.wait,
        quiet=run.quiet,
        console=console(),
    )
    for path in _files(folder, figures=figures):
        print(path)
    if not run.quiet:
        print(f"HTML page: dig-bench report {folder}")
    raise typer.Exit(FAILED if orchestrate.any_failed(rows) else OK)


def _files(folder: Path, *, figures: bool) -> list[Path]:
    """Returns the files of a sweep; draws its figures if they are wanted."""
    from dig_bench.results.folder import MANIFEST, ROWS, SAMPLES

    written = [path for name in (ROWS, SAMPLES, MANIFEST) if (path := folder / name).exists()]
    if figures:
        # Imports matplotlib and pandas.
        from dig_bench.report import write_figures

        written += write_figures(folder)
    return written
