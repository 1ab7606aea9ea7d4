"""`dig-bench report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli import complete
from dig_bench.cli.app import app, warn


@app.command()
def report(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="folder that sweep or profile wrote, or a rows.csv")
    ],
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="folder of the page; default: reports/")] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            autocompletion=complete.models,
            help="model that the speed-ups in figures refer to, DiT-S/2@flash2 or DiT@flash2; default: the fastest "
            "competitor; in profiles, the first model",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="name of the page; default: that of the results")
    ] = None,
) -> None:
    """Turn a folder of results into one self-contained HTML page and its figures.

    \b
    dig-bench report results/h100-80gb-hbm3/quick
    dig-bench report results/h100-80gb-hbm3/paper-resolution --baseline DiT@flash2
    dig-bench report results/h100-80gb-hbm3/profile --baseline DiG-XL/2@fused
    """
    from dig_bench.profile import folder as profiles

    if profiles.is_one(results):
        from dig_bench.profile.output import page

        paths = page.of_folder(results, out=out or Path("reports"), base=baseline, name=name, say=warn)
    else:
        from dig_bench.report import write

        paths = write(results, out=out, baseline=baseline, name=name)
    for path in paths:
        print(path)
