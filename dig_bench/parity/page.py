"""One self-contained HTML page of parity runs, in the looks of the report; and the same for a terminal."""

from __future__ import annotations

import json
from pathlib import Path

from markupsafe import Markup
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dig_bench.parity import words
from dig_bench.parity.figures import plots
from dig_bench.parity.results import Results
from dig_bench.parity.verdict import Comparison
from dig_bench.render.page import fill

_STYLES = {"good": "green", "warn": "yellow", "bad": "bold red"}

COLUMNS = ("quantity", "A", "B", "B against A", "spread", "seed by seed", "margin", "verdict")


def write(results: Results, comparisons: list[Comparison], folder: Path) -> list[Path]:
    """parity.html and the figures, into an existing folder. Returns the paths, the page first."""
    drawn = plots(results)
    page = folder / "parity.html"
    page.write_text(
        fill(
            "parity.html.j2",
            package="dig_bench.parity",
            name="Parity",
            comparisons=comparisons,
            words=words,
            metric=results.metric,
            contenders=words.contenders(results),
            contender_columns=words.contender_columns(results.metric),
            columns=COLUMNS,
            plots=[(plot, Markup(plot.markup())) for plot in drawn],
            settings={key: _plain(value) for key, value in results.settings.items()},
            environment={key: _plain(value) for key, value in results.environment.items() if value not in (None, "")},
        ),
        encoding="utf-8",
    )
    return [page, *(path for plot in drawn for path in plot.save(folder))]


def render(results: Results, comparisons: list[Comparison]) -> RenderableType:
    """Texts of results are Text: none is read as markup."""
    return Group(_contenders(results), *(_table(each, results.metric) for each in comparisons))


def _contenders(results: Results) -> Table:
    table = Table(*words.contender_columns(results.metric), title="Contenders, means over their seeds")
    for row in words.contenders(results):
        table.add_row(*map(Text, row))
    return table


def _table(comparison: Comparison, metric: str) -> Table:
    table = Table(*COLUMNS, title=Text(words.headline(comparison)))
    for finding, row in words.rows(comparison, metric):
        table.add_row(*map(Text, row), Text(finding.verdict, style=_STYLES[words.KINDS[finding.verdict]]))
    return table


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
