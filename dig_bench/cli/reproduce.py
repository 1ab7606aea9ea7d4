"""`dig-bench reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli.app import FAILED, OK, DeviceOption, app, console
from dig_bench.cli.claims import NOTHING_MEASURED, OutputOption, ToleranceOption, show
from dig_bench.cli.option_groups import with_option_groups
from dig_bench.cli.plan_text import plan_text
from dig_bench.cli.sweep_options import RunOptions

EXIT_CODES = (
    "Exit codes: 0 every cell has its row; 1 a cell crashed, timed out or failed the correctness check; 2 usage error; "
    "5 nothing was measured for any claim; 130 interrupted: run the same command again to resume."
)


@app.command(epilog=EXIT_CODES)
@with_option_groups
def reproduce(
    *,
    backend: Annotated[
        str, typer.Option(metavar="LIST", help="backends of DiG: fused, fla; fla autotunes for minutes per model")
    ] = "fused",
    processes: Annotated[
        int, typer.Option(metavar="N", help="fresh processes that measure the cells of a claimed ratio")
    ] = 3,
    device: DeviceOption = "cuda",
    plan: Annotated[bool, typer.Option("--plan", help="print the cells and an estimate, measure nothing")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="folder of the results; default: results/MACHINE/reproduce")
    ] = None,
    run: RunOptions,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="measure cells again that crashed, timed out or failed the correctness check"),
    ] = False,
    tolerance: ToleranceOption = 0.1,
    output: OutputOption = None,
) -> None:
    """Measure everything that the paper's claims need, and judge them. Needs an 80 GB GPU for several minutes.

    Each finished cell is written to disk at once. Run the same command again to resume an interrupted run.

    \b
    dig-bench reproduce --plan
    dig-bench reproduce --output claims.html
    dig-bench reproduce --backend fused,fla
    """
    from dig_bench.claims.assessment import assess
    from dig_bench.claims.output import SUFFIXES
    from dig_bench.claims.reproduce import make
    from dig_bench.files import output_file
    from dig_bench.machine import devices
    from dig_bench.run import orchestrate

    output_file.check(output or (), SUFFIXES)
    if devices.choose(device) != "cuda":
        raise ValueError("the claims are about a GPU: reproduce takes --device cuda or cuda:N")
    wanted = make([name.strip() for name in backend.split(",")], processes=processes)
    if plan:
        print(plan_text(wanted))
        return
    devices.require("cuda", otherwise="--plan shows what would be measured")
    folder, rows = orchestrate.run(
        wanted, out, resume=run.resume, retry=retry, wait_s=run.wait, quiet=run.quiet, console=console()
    )
    assessment = assess([folder], tolerance=tolerance)
    show(assessment, output or [])
    if orchestrate.any_failed(rows):
        raise typer.Exit(FAILED)
    raise typer.Exit(NOTHING_MEASURED if assessment.is_empty else OK)
