"""Parity results on a terminal: the contenders, and a table for each comparison."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dig_bench.parity.output import words
from dig_bench.parity.results import Results
from dig_bench.parity.verdict import Comparison
from dig_bench.render.levels import level_of


def render(results: Results, comparisons: list[Comparison]) -> RenderableType:
    """Returns the tables. Texts from results are `Text`, so that rich does not read them as markup."""
    return Group(_contenders(results), *(_table(each, results.metric) for each in comparisons))


def _contenders(results: Results) -> Table:
    table = Table(*words.contender_columns(results.metric), title="Contenders, means over their seeds")
    for row in words.contenders(results):
        table.add_row(*map(Text, row))
    return table


def _table(comparison: Comparison, metric: str) -> Table:
    table = Table(*words.FINDING_COLUMNS, title=Text(words.headline(comparison)))
    table.columns[-1].min_width = max(len(finding.verdict) for finding in comparison.findings)
    for finding, row in words.findings(comparison, metric):
        table.add_row(*map(Text, row), Text(finding.verdict, style=level_of(finding.verdict).terminal))
    return table
