"""`dig-bench reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli.app import FAILED, OK, DeviceOption, WaitOption, app, console
from dig_bench.cli.claims import OutputOption, ToleranceOption, show
from dig_bench.cli.plan_text import plan_text

EXIT_CODES = (
    "Exit codes: 0 every cell has its row; 1 a cell crashed, timed out or disagreed with its reference; 2 the command "
    "cannot be run as it is written; 130 interrupted, and the same command goes on."
)


@app.command(epilog=EXIT_CODES)
def reproduce(
    backend: Annotated[
        str, typer.Option(metavar="LIST", help="DiG's: fused, fla; fla is autotuned for minutes a model at first")
    ] = "fused",
    processes: Annotated[
        int, typer.Option(metavar="N", help="measure the claimed ratios so often, in fresh processes")
    ] = 3,
    device: DeviceOption = "cuda",
    plan: Annotated[bool, typer.Option("--plan", help="print the cells and an estimate, run nothing")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="where results go, else results/MACHINE/reproduce")
    ] = None,
    resume: Annotated[bool, typer.Option(help="go on where the same sweep stopped")] = True,
    retry: Annotated[bool, typer.Option("--retry", help="measure anew what crashed, timed out or disagreed")] = False,
    wait: WaitOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print the claims, no more")] = False,
    tolerance: ToleranceOption = 0.1,
    output: OutputOption = None,
) -> None:
    """Measure what the paper's claims need, from nothing, and judge them. Wants a GPU of 80 GB, and some minutes of it.

    A finished cell is a row on disk at once; killed, the same command goes on where it stopped.

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
    folder, rows = orchestrate.run(wanted, out, resume=resume, retry=retry, wait_s=wait, quiet=quiet, console=console())
    show(assess([folder], tolerance=tolerance), output or [])
    raise typer.Exit(FAILED if orchestrate.any_failed(rows) else OK)
