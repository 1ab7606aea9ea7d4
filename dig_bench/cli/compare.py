"""`dig-bench compare`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dig_bench.cli.app import app, console
from dig_bench.cli.decision_options import DecisionOptions
from dig_bench.cli.option_groups import given, with_option_groups
from dig_bench.cli.sweep_options import RunOptions, SweepOptions

if TYPE_CHECKING:
    from dig_bench.compare.comparison import Comparison
    from dig_bench.compare.plan import Plan
    from dig_bench.compare.settings import Settings

EXIT_CODES = (
    "Exit codes: 0 no regression; 1 a regression: a cell is slower or needs more than the threshold allows, failed "
    "although the base measured it, or lacks rows; 2 usage error; 3 no regression, but something is undecided; "
    "4 the conditions differ, nothing was compared; 5 the base has no value to compare with."
)

now = partial(typer.Option, rich_help_panel="Revisions, measured now")


@dataclass(frozen=True, kw_only=True)
class RevisionOptions:
    """Git revisions to measure now, in place of two folders."""

    base: Annotated[str | None, now(metavar="REV", help="measure this git revision, in place of BASE")] = None
    candidate: Annotated[
        str | None, now(metavar="REV", help="measure this git revision; default: the working tree")
    ] = None
    processes: Annotated[
        int | None, now(metavar="N", help="processes per side; default: the calibration's, else 5", show_default=False)
    ] = None
    max_processes: Annotated[
        int | None,
        now(
            metavar="N",
            help="most processes for undecided cells; default: the calibration's, else 10",
            show_default=False,
        ),
    ] = None
    out: Annotated[
        Path | None,
        now(metavar="FOLDER", help="folder of the results; default: results/MACHINE/compare-NAME/BASE..CANDIDATE"),
    ] = None

    def plan(self, settings: Settings) -> Plan:
        """Makes the plan, with the calibration's recommendation for what is not given."""
        from dig_bench.compare.plan import Plan

        return Plan.chosen(self.processes, self.max_processes, settings.calibration)


@app.command(epilog=EXIT_CODES)
@with_option_groups
def compare(
    *,
    base_folder: Annotated[
        Path | None,
        typer.Argument(metavar="BASE", help="folder of a sweep's results, or a rows.csv", show_default=False),
    ] = None,
    candidate_folder: Annotated[
        Path | None,
        typer.Argument(metavar="CANDIDATE", help="the same, to be compared with the base", show_default=False),
    ] = None,
    revisions: RevisionOptions,
    run: RunOptions,
    options: SweepOptions,
    decision: DecisionOptions,
    output: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="also write FILE.md, .xml (JUnit), .json or .html; repeatable"),
    ] = None,
) -> None:
    """Decide whether a candidate is slower, or needs more memory or energy, than a base.

    Two folders are compared by the processes that they hold, at least three per side, better five: sweep --processes 5.
    Two revisions are measured now, process by process in turn. Undecided cells get more processes. Suspected
    regressions are measured again, and only those fresh processes count. Run the same command again to resume.
    In a GitHub Actions job, the Markdown is added to the job's summary.

    \b
    dig-bench compare results/main results/mine
    dig-bench compare main/rows.csv mine/rows.csv --slower-than 1% --threshold 'DiT-*:memory=1%,64MiB'
    dig-bench compare --base main --models 'DiG-S/2,DiT-S/2' --res 256,1024 --output compare.html
    dig-bench compare --base v0.1 --candidate my-branch --preset demo --max-processes 20
    """
    from dig_bench.compare import output as outputs
    from dig_bench.compare.output import terminal

    files = output or []
    outputs.check(files)
    settings = decision.settings()
    written: list[Path] = []
    if revisions.base is not None:
        if base_folder is not None:
            raise ValueError("compare takes BASE and CANDIDATE or --base REV, not both")
        written, found = _compare_revisions(revisions, run, options, settings)
    else:
        if needless := given(revisions) + given(options):
            raise ValueError(f"{needless[0]} applies to revisions that are measured now: add --base REV")
        if base_folder is None or candidate_folder is None:
            raise ValueError("compare takes two folders or tables, BASE and CANDIDATE, or a git revision, --base REV")
        found = _compare_folders(base_folder, candidate_folder, settings)
    console().print(terminal.render(found))
    for path in written:
        print(path)
    for path in files:
        outputs.write(found, path)
        print(path)
    outputs.summarise_job(found)
    raise typer.Exit(found.exit_code)


def _compare_revisions(
    revisions: RevisionOptions, run: RunOptions, options: SweepOptions, settings: Settings
) -> tuple[list[Path], Comparison]:
    """Returns the folders of results, too."""
    from dig_bench.compare.revisions import Revisions
    from dig_bench.compare.revisions import run as run_revisions
    from dig_bench.compare.stored import written
    from dig_bench.machine import devices

    assert revisions.base is not None
    sweep = options.sweep()
    devices.require(sweep.device)
    folder, found = run_revisions(
        Revisions(base=revisions.base, candidate=revisions.candidate, folder=revisions.out, resume=run.resume),
        sweep,
        settings,
        revisions.plan,
        wait_s=run.wait,
        console=console(),
        quiet=run.quiet,
    )
    return written(folder), found


def _compare_folders(base: Path, candidate: Path, settings: Settings) -> Comparison:
    from dig_bench.compare import calibration, comparison
    from dig_bench.compare.evidence import read_evidence

    before, after = read_evidence(base), read_evidence(candidate)
    if settings.calibration is None and before.manifest is not None:
        settings = replace(settings, calibration=calibration.find(before.manifest["environment"]))
    return comparison.compare(before, after, settings)
