"""For a terminal, and for the log of a job."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dig_bench.compare.comparison import CellComparison, Comparison, ExitCode
from dig_bench.compare.decision import Verdict
from dig_bench.compare.output import words

STYLES: dict[Verdict | None, str] = {
    "slower": "bold red",
    "undecided": "yellow",
    "faster": "green",
    "same": "dim",
    None: "dim",
}

_HEADLINE_STYLES = {ExitCode.FINE: "bold green", ExitCode.UNDECIDED: "bold yellow"}


def render(comparison: Comparison) -> RenderableType:
    """Texts of results are Text: none is read as markup."""
    return Group(*_parts(comparison))


def _parts(comparison: Comparison) -> Iterator[RenderableType]:
    yield Text(f"base:      {words.side(comparison.base)}")
    yield Text(f"candidate: {words.side(comparison.candidate)}")
    for difference in comparison.differences:
        yield Text(f"differs: {words.clean(str(difference))}", style="red" if comparison.refused else "yellow")
    for warning in comparison.warnings:
        yield Text(f"note: {words.clean(warning)}", style="yellow")
    if comparison.cells:
        yield _table(comparison)
        yield Text(words.method(comparison), style="dim")
    style = _HEADLINE_STYLES.get(comparison.exit_code, "bold red")
    outcome = Text(words.headline(comparison), style=style)
    yield outcome.append(f". {words.counts(comparison)}.", style="default") if comparison.cells else outcome


def _table(comparison: Comparison) -> Table:
    metrics = words.metrics_shown(comparison)
    table = Table("verdict", "cell", *(words.TITLES[metric] for metric in metrics), "why")
    for cell in comparison.cells:
        table.add_row(
            Text(words.label(cell), style=STYLES[cell.verdict]),
            Text(words.clean(str(cell.key))),
            *_ratios(cell, metrics),
            Text("; ".join(words.reasons(cell))),
        )
    return table


def _ratios(cell: CellComparison, metrics: list[str]) -> Iterator[Text]:
    found = {finding.metric: finding for finding in cell.findings}
    for metric in metrics:
        finding = found.get(metric)
        yield Text(words.ratio(finding), style=STYLES[finding.verdict]) if finding else Text("")
