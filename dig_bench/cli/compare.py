"""`dig-bench compare`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli.app import app, console

EXIT_CODES = (
    "Exit codes: 0 no regression; 1 a regression: something is slower or needs more than the threshold allows, failed "
    "where the base was measured, or has no row any more; 2 the command cannot be run as it is written; "
    "3 no regression, but something is undecided; 4 the conditions differ, nothing was compared; "
    "5 the base has no figure to compare with."
)

rule = partial(typer.Option, rich_help_panel="What counts as a change")


@app.command(epilog=EXIT_CODES)
def compare(
    base: Annotated[Path, typer.Argument(help="a folder that a sweep wrote, or a rows.csv", show_default=False)],
    candidate: Annotated[Path, typer.Argument(help="likewise, to be judged against the base", show_default=False)],
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
        Path | None, rule(metavar="FILE", help="noise between launches, as dig-bench calibrate wrote it")
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

    The evidence is launches: at least three of each side, from sweep --launches 3. In a job of GitHub Actions, the
    Markdown goes to the job's page, too.

    \b
    dig-bench compare results/main results/mine
    dig-bench compare main/rows.csv mine/rows.csv --slower-than 1% --threshold 'DiT-*:memory=1%,64MiB'
    dig-bench compare results/main results/mine --output compare.md --output compare.html
    """
    from dig_bench.compare import comparison, settings
    from dig_bench.compare.launches import read_launches
    from dig_bench.compare.output import check, summarise_job, terminal, write

    outputs = output or []
    check(outputs)
    wanted = settings.Settings(
        metrics=settings.parse_metrics(metrics) if metrics is not None else settings.DEFAULT_METRICS,
        rules=settings.parse_rules(slower_than, threshold or ()),
        confidence=confidence,
        false_alarms=false_alarms,
        calibration=settings.Calibration.read(calibration) if calibration else None,
        allow_different_environments=allow_different_environments,
    )
    found = comparison.compare(read_launches(base), read_launches(candidate), wanted)
    console().print(terminal.render(found))
    for path in outputs:
        write(found, path)
        print(path)
    summarise_job(found)
    raise typer.Exit(found.exit_code)
