"""Markdown, for a comment on a pull request and the summary of a job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dig_bench.compare.cell_comparison import CellComparison
from dig_bench.compare.comparison import Comparison
from dig_bench.compare.output import words
from dig_bench.render.markdown import code, prose, table
from dig_bench.results.metrics import METRICS

MARKER = "<!-- dig-bench compare -->"
"""First line, by which a job finds its own comment to update it."""

MAX_ROWS = 60
"""Rows per section: GitHub accepts comments of at most 65,536 characters."""


def render(comparison: Comparison) -> str:
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield MARKER
    yield f"### {words.outcome_level(comparison).sign} dig-bench: {words.headline(comparison)}"
    yield ""
    yield f"{code(words.side(comparison.candidate))} against {code(words.side(comparison.base))}"
    if comparison.cells:
        yield ""
        yield f"{words.counts(comparison)}."
    for title, texts in (
        ("The conditions differ", [str(difference) for difference in comparison.differences]),
        ("Notes", list(comparison.warnings)),
    ):
        if texts:
            yield from ("", f"**{title}**", "", *(f"- {code(text)}" for text in texts))
    metrics = words.metrics_shown(comparison)
    sections = {
        "Worse": comparison.regressions,
        "Undecided": comparison.undecided,
        "Better": comparison.improvements,
        "New": comparison.new,
    }
    for title, cells in sections.items():
        if cells:
            yield from ("", f"**{title}**", "", *_table(cells, metrics))
    listed = {cell.key for cells in sections.values() for cell in cells}
    rest = [cell for cell in comparison.cells if cell.key not in listed]
    if rest:
        summary = f"<summary>{len(rest)} without a change</summary>"
        yield from ("", "<details>", summary, "", *_table(rest, metrics), "", "</details>")
    if comparison.cells:
        yield from ("", f"<sub>{prose(words.method(comparison))}</sub>")


def _table(cells: Sequence[CellComparison], metrics: Sequence[str]) -> Iterator[str]:
    columns = ["verdict", "cell", *(METRICS[metric].title for metric in metrics), "reason"]
    yield from table(columns, (_row(cell, metrics) for cell in cells[:MAX_ROWS]))
    if len(cells) > MAX_ROWS:
        yield ""
        yield f"and {len(cells) - MAX_ROWS} more."


def _row(cell: CellComparison, metrics: Sequence[str]) -> list[str]:
    found = {finding.metric: finding for finding in cell.findings}
    ratios = [words.ratio(found[metric]) if metric in found else "" for metric in metrics]
    reasons = " ".join(code(reason) for reason in words.reasons(cell))
    return [words.label(cell), code(str(cell.key)), *ratios, reasons]
