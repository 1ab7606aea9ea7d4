"""One HTML page of a results folder, and its figures as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dig_bench.files.atomic import write_whole
from dig_bench.render.page import check_name
from dig_bench.render.plot import Plot
from dig_bench.report.baseline import check_baseline
from dig_bench.report.page import render
from dig_bench.report.prepare import prepare
from dig_bench.report.published_code import beside_published_code
from dig_bench.report.sections import first_speed_memory, sections
from dig_bench.results.folder import MANIFEST, os_errors
from dig_bench.results.manifest import read_manifest
from dig_bench.results.read import read_rows


def write(
    folder: str | Path, *, out: str | Path | None = None, baseline: str | None = None, name: str | None = None
) -> list[Path]:
    """Writes OUT/NAME.html and, in OUT/NAME/, each of its figures as PNG and SVG. Returns the paths, the page first.

    `folder` is a results folder or its rows.csv. `out` defaults to `reports`, `name` to the results folder's name.
    `baseline` is a model@backend or family@backend that speed-ups in figures are against. The sentences at the top are
    always against the fastest competitor.

    Raises ValueError for a baseline that was not measured or a name that is not a file name, and StoreError for a
    missing or broken file or a folder that cannot be written. Nothing is written then.
    """
    folder, out = Path(folder), Path(out or "reports")
    rows = read_rows(folder)
    results = folder if folder.is_dir() else folder.parent
    name = name or results.resolve().name
    check_name(name)
    manifest = _manifest(results)
    data = prepare(rows, manifest)
    if baseline is not None:
        check_baseline(data, baseline)
    drawn = sections(data, baseline=baseline)
    published = beside_published_code(data, results)
    html = render(name, rows=rows, data=data, manifest=manifest, sections=drawn, published=published)
    plots = [plot for section in drawn for plots in section.groups for plot in plots]
    page = out / f"{name}.html"
    with os_errors(out):
        (out / name).mkdir(parents=True, exist_ok=True)
        write_whole(page, html.encode())
        return [page, *(path for plot in plots for path in plot.save(out / name))]


def speed_memory(rows: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> list[Plot]:
    """Returns the paper's two figures, of topic `speed` and `memory`, for the most telling panel. Returns fewer when
    nothing was measured for them. `manifest` is that of the rows' folder."""
    return first_speed_memory(prepare(rows, manifest))


def write_figures(folder: str | Path) -> list[Path]:
    """Writes speed.png, speed.svg, memory.png and memory.svg into a results folder, as far as it has rows for them.

    Raises StoreError when they cannot be written.
    """
    folder = Path(folder)
    with os_errors(folder):
        plots = speed_memory(read_rows(folder), _manifest(folder))
        return [path for plot in plots for path in plot.save(folder, name=plot.topic)]


def _manifest(folder: Path) -> dict[str, Any] | None:
    return read_manifest(folder) if (folder / MANIFEST).exists() else None
