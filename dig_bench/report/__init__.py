"""One HTML page of a results folder, and its figures as files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dig_bench.files.atomic import write_whole
from dig_bench.render.page import check_name
from dig_bench.render.plot import Plot
from dig_bench.report import tables
from dig_bench.report.document import render
from dig_bench.report.published_code import beside_published_code
from dig_bench.report.sections import Sections
from dig_bench.report.series import prepare
from dig_bench.results import store


def write(
    folder: str | Path, *, out: str | Path | None = None, baseline: str | None = None, name: str | None = None
) -> list[Path]:
    """Writes OUT/NAME.html and, in OUT/NAME/, each of its figures as PNG and SVG. Returns the paths, the page first.

    folder is a results folder or its rows.csv, out `reports`, name the results folder's. baseline is a model@backend or
    family@backend. ValueError for a baseline that was not measured and a name that is no file name; StoreError for a
    missing or broken file, or a folder that cannot be written. Nothing is written then.
    """
    folder, out = Path(folder), Path(out or "reports")
    rows = store.read_rows(folder)
    results = folder if folder.is_dir() else folder.parent
    name = name or results.resolve().name
    check_name(name)
    manifest = store.read_manifest(results) if (results / store.MANIFEST).exists() else None
    data = prepare(rows)
    if baseline is not None:
        tables.check_baseline(data, baseline)
    sections = list(Sections(data, baseline=baseline))
    published = beside_published_code(data, results)
    html = render(
        name, rows=rows, data=data, manifest=manifest, sections=sections, baseline=baseline, published=published
    )
    plots = [plot for section in sections for plots in section.groups for plot in plots]
    page = out / f"{name}.html"
    with store.os_errors(out):
        (out / name).mkdir(parents=True, exist_ok=True)
        write_whole(page, html.encode())
        return [page, *(path for plot in plots for path in plot.save(out / name))]


def speed_memory(rows: pd.DataFrame) -> list[Plot]:
    """The paper's two figures, of topic `speed` and `memory`, of the panel to look at first; fewer when nothing was
    measured for them."""
    return next(Sections(prepare(rows)).speed_memory(), [])


def write_figures(folder: str | Path) -> list[Path]:
    """Writes speed.png, speed.svg, memory.png and memory.svg into a results folder, as far as it has rows for them.
    StoreError when they cannot be written."""
    folder = Path(folder)
    with store.os_errors(folder):
        return [path for plot in speed_memory(store.read_rows(folder)) for path in plot.save(folder, name=plot.topic)]
