"""`dig-bench calibrate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli.app import FAILED, OK, app, console
from dig_bench.cli.option_groups import given, with_option_groups
from dig_bench.cli.sweep_options import RunOptions, SweepOptions, what

EXIT_CODES = (
    "Exit codes: 0 the calibration is stored; 1 it is stored, but one half of the processes is slower than the other "
    "half, although both ran the same code: the machine is not steady enough; 2 usage error; "
    "130 interrupted: run the same command again to resume."
)


@app.command(epilog=EXIT_CODES)
@with_option_groups
def calibrate(
    *,
    results: Annotated[
        Path | None,
        typer.Argument(
            metavar="RESULTS", help="folder of a sweep's results; default: measure the cells now", show_default=False
        ),
    ] = None,
    options: SweepOptions,
    processes: Annotated[
        int | None, what(metavar="N", help="fresh processes that measure every cell; default: 10", show_default=False)
    ] = None,
    change: Annotated[
        str, typer.Option(metavar="5%", help="slow-down that comparisons have to detect", show_default=False)
    ] = "5%",
    slower_than: Annotated[
        str | None,
        typer.Option(metavar="2%", help="threshold of latency: smaller differences count as the same"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="folder of the results; default: results/MACHINE/NAME")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="file of the calibration; default: results/MACHINE/calibration.json"),
    ] = None,
    run: RunOptions,
) -> None:
    """Measure how much processes of the same code differ on this machine, and which changes a comparison can detect.

    Stores the noise of each cell, and the recommended number of processes, where compare looks for them. Use the cells
    and the protocol that you want to compare. Other cells of the same machine stay in the file.

    \b
    dig-bench calibrate --processes 20
    dig-bench calibrate --models 'DiG-S/2,DiT-S/2' --res 256,1024 --change 3%
    dig-bench calibrate results/h100-80gb-hbm3/nightly      # processes of an earlier sweep
    """
    from dig_bench.compare import calibrate as calibration
    from dig_bench.compare.calibration import Calibration, default_path
    from dig_bench.compare.evidence import read_evidence
    from dig_bench.compare.output.calibration import lines, tables
    from dig_bench.compare.settings import Settings
    from dig_bench.compare.thresholds import parse_rules
    from dig_bench.machine import devices
    from dig_bench.run import orchestrate

    wanted_change = _share(change)
    settings = Settings(rules=parse_rules(slower_than, ()))
    if results is None:
        count = calibration.PROCESSES if processes is None else processes
        calibration.check_processes(count)
        sweep = options.sweep(processes=count)
        devices.require(sweep.device)
        results, _ = orchestrate.run(sweep, out, resume=run.resume, wait_s=run.wait, quiet=run.quiet, console=console())
    else:
        needless = [*(["--processes"] if processes is not None else []), *(["--out"] if out else []), *given(options)]
        if needless:
            raise ValueError(f"{needless[0]} applies to cells that are measured now: leave out {results}")
    evidence = read_evidence(results)
    if evidence.manifest is None:
        raise ValueError(f"{results} has no manifest.json, which names the machine")
    found = calibration.calibrate(evidence, settings, change=wanted_change)
    path = output or default_path(evidence.manifest["environment"])
    newer = found.calibration(evidence)
    (Calibration.read(path).updated_by(newer) if path.exists() else newer).write(path)
    for table in tables(found):
        console().print(table)
    for line in lines(found):
        console().print(line, soft_wrap=True, markup=False, highlight=False)
    print(path)
    raise typer.Exit(FAILED if found.against_itself.regressions or found.against_itself.improvements else OK)


def _share(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip(), re.ASCII)
    if match is None or not float(match[1]):
        raise ValueError(f"--change is written as a percentage, for example 5%, not {text!r}")
    return float(match[1]) / 100
