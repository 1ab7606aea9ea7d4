"""`dig-bench calibrate`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dig_bench.cli.app import FAILED, OK, DeviceOption, PluginOption, WaitOption, app, console
from dig_bench.cli.measured import (
    BatchOption,
    CheckToleranceOption,
    ExecutionOption,
    MaxSamplesOption,
    MaxSecondsOption,
    MinSamplesOption,
    ModelsOption,
    ModeOption,
    OnlyOption,
    PrecisionOption,
    PresetOption,
    ResOption,
    TargetOption,
    TimeoutOption,
    WarmupOption,
    wanted_sweep,
    what,
)

if TYPE_CHECKING:
    from rich.table import Table

    from dig_bench.compare.calibrate import Findings, Recommendation

EXIT_CODES = (
    "Exit codes: 0 the calibration is stored; 1 it is stored, but one half of the processes is slower than the other, "
    "which is the same code: the machine is not steady enough; 2 the command cannot be run as it is written; "
    "130 interrupted, and the same command goes on."
)

SHOWN_PROCESSES = (3, 5, 10, 20)


@app.command(epilog=EXIT_CODES)
def calibrate(
    results: Annotated[
        Path | None,
        typer.Argument(
            help="processes that a sweep has written; without it, they are measured now", show_default=False
        ),
    ] = None,
    res: ResOption = None,
    models: ModelsOption = None,
    batch: BatchOption = None,
    mode: ModeOption = None,
    precision: PrecisionOption = None,
    execution: ExecutionOption = None,
    processes: Annotated[
        int | None,
        what(metavar="N", help="measure everything so often, in fresh processes; else 10", show_default=False),
    ] = None,
    preset: PresetOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    device: DeviceOption = "auto",
    change: Annotated[str, typer.Option(metavar="5%", help="the slow-down that comparisons have to see")] = "5%",
    slower_than: Annotated[
        str | None, typer.Option(metavar="2%", help="latency: what is slower by less is the same")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="where results go, else results/MACHINE/NAME")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="the calibration, else results/MACHINE/calibration.json")
    ] = None,
    resume: Annotated[bool, typer.Option(help="go on where the same calibration stopped")] = True,
    wait: WaitOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print what was found, no more")] = False,
    timeout: TimeoutOption = None,
    warmup_seconds: WarmupOption = None,
    target_ci: TargetOption = None,
    min_samples: MinSamplesOption = None,
    max_samples: MaxSamplesOption = None,
    max_seconds: MaxSecondsOption = None,
    check_tolerance: CheckToleranceOption = None,
) -> None:
    """Measure the same code again and again: how far do processes differ here, and what can a comparison see?

    What it finds is stored where compare looks for it: the noise of each cell, and how many processes it takes. Take the
    cells and the protocol that you want to compare. Other cells of the same machine stay in the file.

    \b
    dig-bench calibrate --processes 20
    dig-bench calibrate --models 'DiG-S/2,DiT-S/2' --res 256,1024 --change 3%
    dig-bench calibrate results/h100-80gb-hbm3/nightly      # processes that are there already
    """
    from dig_bench.compare import calibrate as calibration
    from dig_bench.compare.calibration import Calibration, default_path
    from dig_bench.compare.evidence import read_evidence
    from dig_bench.compare.settings import Settings, parse_rules
    from dig_bench.machine import devices
    from dig_bench.run import orchestrate

    asked: dict[str, Any] = {
        "res": res,
        "models": models,
        "batch": batch,
        "mode": mode,
        "precision": precision,
        "execution": execution,
        "preset": preset,
        "only": only,
        "plugin": plugin,
        "timeout": timeout,
        "warmup_seconds": warmup_seconds,
        "target_ci": target_ci,
        "min_samples": min_samples,
        "max_samples": max_samples,
        "max_seconds": max_seconds,
        "check_tolerance": check_tolerance,
    }
    wanted_change = _share(change)
    settings = Settings(rules=parse_rules(slower_than, ()))
    if results is None:
        count = calibration.PROCESSES if processes is None else processes
        calibration.check_processes(count)
        sweep = wanted_sweep(device=device, processes=count, **asked)
        devices.require(sweep.device)
        results, _ = orchestrate.run(sweep, out, resume=resume, wait_s=wait, quiet=quiet, console=console())
    elif needless := [
        name for name, value in {"processes": processes, "out": out, **asked}.items() if value is not None
    ]:
        raise ValueError(
            f"--{needless[0].replace('_', '-')} is for processes to be measured, not for those of {results}"
        )
    measured = read_evidence(results)
    if measured.manifest is None:
        raise ValueError(f"{results} has no manifest.json, which says what machine it is of")
    found = calibration.calibrate(measured, settings, change=wanted_change)
    path = store or default_path(measured.manifest["environment"])
    newer = found.calibration(measured)
    (Calibration.read(path).updated_by(newer) if path.exists() else newer).write(path)
    for table in _tables(found):
        console().print(table)
    for line in _words(found):
        console().print(line, soft_wrap=True, markup=False, highlight=False)
    print(path)
    raise typer.Exit(FAILED if found.against_itself.regressions or found.against_itself.improvements else OK)


def _tables(found: Findings) -> Iterator[Table]:
    """One a metric, of its cells."""
    from rich.table import Table
    from rich.text import Text

    from dig_bench.compare.output.words import TITLES, figure
    from dig_bench.results.metrics import METRICS

    for metric in dict.fromkeys(spread.metric for spread in found.spreads):
        counts = SHOWN_PROCESSES if not METRICS[metric].repeatable else ()
        table = Table(
            TITLES[metric],
            "processes",
            f"median, {METRICS[metric].unit}",
            "noise",
            *(f"seen by {count}" for count in counts),
            *([] if counts else ["seen"]),
        )
        for column in table.columns[1:]:
            column.justify = "right"
        for spread in found.spreads:
            if spread.metric == metric:
                seen = [spread.smallest_found(count, found.settings) for count in counts or (1,)]
                table.add_row(
                    Text(str(spread.key)),
                    str(spread.processes),
                    figure(spread.median),
                    f"{100 * spread.noise.sd:.2g} %",
                    *map(_percent, seen),
                )
        yield table


def _words(found: Findings) -> Iterator[str]:
    from dig_bench.compare.output import words

    yield "Noise: standard deviation between processes of the same code. Seen by N: the smallest slow-down that a"
    yield "comparison with N processes a side, and as many to confirm it, calls slower in nine cases of ten."
    for text in found.left_out:
        yield f"left out: {text}"
    itself = found.against_itself
    yield f"Half of the processes against the other half: {words.headline(itself).lower()}. {words.counts(itself)}."
    if found.recommendation:
        yield from _advice(found.recommendation)


def _advice(advice: Recommendation) -> Iterator[str]:
    noisiest = f"{advice.noisiest.key}, {100 * advice.noisiest.noise.sd:.2g} % of noise"
    if advice.sees:
        yield f"Recommended: --processes {advice.processes}, which see {_percent(advice.change)} in every cell."
    else:
        yield (
            f"{_percent(advice.change)} cannot be seen in every cell here, not with {advice.processes} processes "
            f"({noisiest}): a quieter machine, longer sampling or fewer cells."
        )
    if advice.settles:
        yield f"--max-processes {advice.max_processes} settle every unchanged cell."
    elif advice.slower_than is not None:
        yield (
            f"Not even {advice.max_processes} processes settle every unchanged cell ({noisiest}): "
            f"--slower-than {_percent(advice.slower_than)} would."
        )
    else:
        yield f"Not even {advice.max_processes} processes settle every unchanged cell at any threshold ({noisiest})."


def _percent(share: float) -> str:
    return "over 100x" if math.isinf(share) else f"{100 * share:.3g}%"


def _share(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip(), re.ASCII)
    if match is None or not float(match[1]):
        raise ValueError(f"--change is such as 5%, not {text!r}")
    return float(match[1]) / 100
