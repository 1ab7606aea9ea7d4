"""`dig-bench compare`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dig_bench.cli.app import DeviceOption, PluginOption, WaitOption, app, console
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
)

if TYPE_CHECKING:
    from dig_bench.compare.comparison import Comparison
    from dig_bench.compare.settings import Settings

EXIT_CODES = (
    "Exit codes: 0 no regression; 1 a regression: something is slower or needs more than the threshold allows, failed "
    "where the base was measured, or has no row any more; 2 the command cannot be run as it is written; "
    "3 no regression, but something is undecided; 4 the conditions differ, nothing was compared; "
    "5 the base has no figure to compare with."
)

rule = partial(typer.Option, rich_help_panel="What counts as a change")
now = partial(typer.Option, rich_help_panel="Revisions, measured now")


@app.command(epilog=EXIT_CODES)
def compare(
    base: Annotated[
        Path | None, typer.Argument(help="a folder that a sweep wrote, or a rows.csv", show_default=False)
    ] = None,
    candidate: Annotated[
        Path | None, typer.Argument(help="likewise, to be judged against the base", show_default=False)
    ] = None,
    base_revision: Annotated[
        str | None, now("--base", metavar="REV", help="measure this git revision now, in place of BASE")
    ] = None,
    candidate_revision: Annotated[
        str | None,
        now("--candidate", metavar="REV", help="and this one, else the working tree, in place of CANDIDATE"),
    ] = None,
    processes: Annotated[
        int | None, now(metavar="N", help="of each side, else the calibration's, else 3", show_default=False)
    ] = None,
    max_processes: Annotated[
        int | None,
        now(metavar="N", help="for undecided cells, else the calibration's, else 10", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, now(metavar="FOLDER", help="where results go, else results/MACHINE/compare-NAME/BASE..CANDIDATE")
    ] = None,
    resume: Annotated[bool, now(help="go on where the same comparison stopped")] = True,
    wait: WaitOption = None,
    quiet: Annotated[bool, now("--quiet", "-q", help="print the comparison, no more")] = False,
    device: DeviceOption = "auto",
    plugin: PluginOption = None,
    res: ResOption = None,
    models: ModelsOption = None,
    batch: BatchOption = None,
    mode: ModeOption = None,
    precision: PrecisionOption = None,
    execution: ExecutionOption = None,
    preset: PresetOption = None,
    only: OnlyOption = None,
    timeout: TimeoutOption = None,
    warmup_seconds: WarmupOption = None,
    target_ci: TargetOption = None,
    min_samples: MinSamplesOption = None,
    max_samples: MaxSamplesOption = None,
    max_seconds: MaxSecondsOption = None,
    check_tolerance: CheckToleranceOption = None,
    slower_than: Annotated[str | None, rule(metavar="2%", help="latency: what is slower by less is the same")] = None,
    threshold: Annotated[
        list[str] | None,
        rule(
            metavar="RULE",
            help="[CELLS:]METRIC=VALUE; METRIC is latency, memory, first-call, energy, reserved-memory or "
            "device-memory; VALUE is 2%, 64MiB or 1%,32MiB (both have to be exceeded); CELLS is a name ('DiG-*') or an "
            "expression as for sweep --only; repeatable, the last one that applies holds",
        ),
    ] = None,
    metrics: Annotated[
        str | None, rule(metavar="LIST", help="what to compare, else latency,memory,first-call,energy")
    ] = None,
    confidence: Annotated[float, rule(metavar="SHARE", help="of the intervals")] = 0.95,
    false_alarms: Annotated[
        float, rule(metavar="SHARE", help="probability of a false regression in the whole comparison")
    ] = 0.01,
    calibration: Annotated[
        Path | None,
        rule(
            metavar="FILE",
            help="noise between processes, as dig-bench calibrate wrote it, else results/MACHINE/calibration.json",
        ),
    ] = None,
    allow_different_environments: Annotated[
        bool,
        typer.Option("--allow-different-environments", help="compare although machine, versions or protocol differ"),
    ] = False,
    output: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="also write it as FILE.md, .xml (JUnit), .json or .html; repeatable"),
    ] = None,
) -> None:
    """Say whether a candidate is slower, or needs more memory or energy, than a base.

    Of two folders, the evidence is the processes that they hold: at least three a side, from sweep --processes 3. Of
    two revisions, both are measured here and now, process by process in turn: more often where it is undecided, and anew
    where a regression is suspected, which counts by those fresh processes alone. Killed, the same command goes on. In a
    job of GitHub Actions, the Markdown goes to the job's page, too.

    \b
    dig-bench compare results/main results/mine
    dig-bench compare main/rows.csv mine/rows.csv --slower-than 1% --threshold 'DiT-*:memory=1%,64MiB'
    dig-bench compare --base main --models 'DiG-S/2,DiT-S/2' --res 256,1024 --output compare.html
    dig-bench compare --base v0.1 --candidate my-branch --preset demo --max-processes 20
    """
    from dig_bench.compare import output as outputs
    from dig_bench.compare import settings
    from dig_bench.compare.calibration import Calibration
    from dig_bench.compare.output import terminal

    files = output or []
    outputs.check(files)
    wanted = settings.Settings(
        metrics=settings.parse_metrics(metrics) if metrics is not None else settings.DEFAULT_METRICS,
        rules=settings.parse_rules(slower_than, threshold or ()),
        confidence=confidence,
        false_alarms=false_alarms,
        calibration=Calibration.read(calibration) if calibration else None,
        allow_different_environments=allow_different_environments,
    )
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
    places: list[Path] = []
    if base_revision is None:
        given = {
            "candidate": candidate_revision,
            "processes": processes,
            "max_processes": max_processes,
            "out": out,
            **asked,
        }
        if needless := [name for name, value in given.items() if value is not None]:
            option = needless[0].replace("_", "-")
            raise ValueError(f"--{option} is for revisions, which are measured now: it needs --base REV")
        if base is None or candidate is None:
            raise ValueError("compare takes two folders or tables, BASE and CANDIDATE, or a git revision, --base REV")
        found = _compare_folders(base, candidate, wanted)
    else:
        if base is not None:
            raise ValueError("compare takes BASE and CANDIDATE or --base REV, not both")
        from dig_bench.compare import revisions
        from dig_bench.compare.interleave import Plan
        from dig_bench.machine import devices

        sweep = wanted_sweep(device=device, **asked)
        devices.require(sweep.device)
        folder, found = revisions.run(
            base_revision,
            candidate_revision,
            sweep,
            wanted,
            lambda chosen: Plan.chosen(processes, max_processes, chosen.calibration),
            folder=out,
            resume=resume,
            quiet=quiet,
            console=console(),
            wait_s=wait,
        )
        places = revisions.written(folder)
    console().print(terminal.render(found))
    for path in places:
        print(path)
    for path in files:
        outputs.write(found, path)
        print(path)
    outputs.summarise_job(found)
    raise typer.Exit(found.exit_code)


def _compare_folders(base: Path, candidate: Path, settings: Settings) -> Comparison:
    from dig_bench.compare import calibration, comparison
    from dig_bench.compare.evidence import read_evidence

    before, after = read_evidence(base), read_evidence(candidate)
    if settings.calibration is None and before.manifest is not None:
        settings = replace(settings, calibration=calibration.find(before.manifest["environment"]))
    return comparison.compare(before, after, settings)
