"""`dig-bench claims`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dig_bench.cli.app import OK, app, console

if TYPE_CHECKING:
    from dig_bench.claims.assessment import Assessment

NOTHING_MEASURED = 5

EXIT_CODES = (
    "Exit codes: 0 at least one claim was judged, whatever the verdict; 2 usage error; "
    "5 nothing was measured for any claim."
)

ToleranceOption = Annotated[
    float, typer.Option(metavar="SHARE", help="largest negligible difference from a claimed ratio")
]
OutputOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="also write the claims as FILE.md, .json or .html; repeatable"),
]


@app.command(epilog=EXIT_CODES)
def claims(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS",
            help="results folders, folders of results folders, or tables rows.csv",
            show_default=False,
        ),
    ],
    tolerance: ToleranceOption = 0.1,
    output: OutputOption = None,
) -> None:
    """Judge the paper's five claims and compare the points of its two figures with measurements.

    Each claim is judged under every set of conditions that both of its models were measured under. The conditions
    nearest to the paper's come first.

    \b
    dig-bench claims results/h100-80gb-hbm3/paper-resolution results/h100-80gb-hbm3/paper-size
    dig-bench claims results/h100-80gb-hbm3
    dig-bench claims results/h100-80gb-hbm3/reproduce --output claims.html --output claims.md
    """
    from dig_bench.claims.assessment import assess
    from dig_bench.claims.output import SUFFIXES
    from dig_bench.files import output_file

    output_file.check(output or (), SUFFIXES)
    assessment = assess(results, tolerance=tolerance)
    show(assessment, output or [])
    raise typer.Exit(NOTHING_MEASURED if assessment.is_empty else OK)


def show(assessment: Assessment, outputs: list[Path]) -> None:
    """Prints the claims, writes the files, and prints their paths."""
    from dig_bench.claims.output import render, terminal
    from dig_bench.files import output_file

    console().print(terminal.render(assessment))
    for path in outputs:
        output_file.write(path, render(assessment, path.suffix))
        print(path)
