"""Text for a terminal, and for the log of a job."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dig_bench.compare.cell_comparison import CellComparison
from dig_bench.compare.comparison import Comparison
from dig_bench.compare.output import words
from dig_bench.render.levels import BAD, WARN, level_of
from dig_bench.render.text import log_line
from dig_bench.results.metrics import METRICS


def render(comparison: Comparison) -> RenderableType:
    """Returns the comparison for a rich console. Nothing from the results is read as markup."""
    return Group(*_parts(comparison))


def _parts(comparison: Comparison) -> Iterator[RenderableType]:
    yield Text(f"base:      {words.side(comparison.base)}")
    yield Text(f"candidate: {words.side(comparison.candidate)}")
    for difference in comparison.differences:
        level = BAD if comparison.refused else WARN
        yield Text(f"differs: {log_line(str(difference))}", style=level.terminal)
    for warning in comparison.warnings:
        yield Text(f"note: {log_line(warning)}", style=WARN.terminal)
    if comparison.cells:
        yield _table(comparison)
        yield Text(words.method(comparison), style="dim")
    outcome = Text(words.headline(comparison), style=words.outcome_level(comparison).terminal)
    yield outcome.append(f". {words.counts(comparison)}.", style="default") if comparison.cells else outcome


def _table(comparison: Comparison) -> Table:
    metrics = words.metrics_shown(comparison)
    table = Table("verdict", "cell", *(METRICS[metric].title for metric in metrics), "reason")
    for cell in comparison.cells:
        table.add_row(
            Text(words.label(cell), style=level_of(cell.verdict).terminal),
            Text(log_line(str(cell.key))),
            *_ratios(cell, metrics),
            Text("; ".join(words.reasons(cell))),
        )
    return table


def _ratios(cell: CellComparison, metrics: list[str]) -> Iterator[Text]:
    found = {finding.metric: finding for finding in cell.findings}
    for metric in metrics:
        finding = found.get(metric)
        yield Text(words.ratio(finding), style=level_of(finding.verdict).terminal) if finding else Text("")
