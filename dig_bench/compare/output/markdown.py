"""For a pull request, and for the page of a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dig_bench.compare.comparison import CellComparison, Comparison, ExitCode
from dig_bench.compare.output import words

MARKER = "<!-- dig-bench compare -->"
"""The first line: by it a job finds its own comment to update it."""

MAX_ROWS = 60
"""A section. GitHub takes no comment of more than 65,536 characters."""

_SIGNS = {ExitCode.FINE: "✅", ExitCode.UNDECIDED: "❔"}


def render(comparison: Comparison) -> str:
    return "\n".join(_lines(comparison)) + "\n"


def code(text: str) -> str:
    """As a code span, in which GitHub neither links, mentions nor renders; fit for a table's cell."""
    return f"`{words.clean(text).replace('`', chr(39)).replace('|', chr(92) + '|') or ' '}`"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield MARKER
    yield f"### {_SIGNS.get(comparison.exit_code, '❌')} dig-bench: {words.headline(comparison)}"
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
        yield from ("", f"<sub>{_prose(words.method(comparison))}</sub>")


def _table(cells: Sequence[CellComparison], metrics: Sequence[str]) -> Iterator[str]:
    columns = ["verdict", "cell", *(words.TITLES[metric] for metric in metrics), "why"]
    yield _row(columns)
    yield _row(["---"] * len(columns))
    for cell in cells[:MAX_ROWS]:
        found = {finding.metric: finding for finding in cell.findings}
        ratios = [words.ratio(found[metric]) if metric in found else "" for metric in metrics]
        reasons = " ".join(code(reason) for reason in words.reasons(cell))
        yield _row([words.label(cell), code(str(cell.key)), *ratios, reasons])
    if len(cells) > MAX_ROWS:
        yield ""
        yield f"and {len(cells) - MAX_ROWS} more."


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _prose(text: str) -> str:
    """Of the user's thresholds, `*` and `<` would be read as Markdown and HTML."""
    return "".join(f"&#{ord(char)};" if char in "*_<>&@`[]|\\" else char for char in text)
