"""For a pull request or a README."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dig_bench.claims.assessment import Assessment
from dig_bench.claims.judgement import Finding, Judgement
from dig_bench.claims.output import words
from dig_bench.claims.points import Panel
from dig_bench.compare.output.markdown import code

_SIGNS = {"exceeded": "✅", "reproduced": "✅", "undecided": "❔", "not reproduced": "❌", "not measured": "◻️"}


def render(assessment: Assessment) -> str:
    return "\n".join(_lines(assessment)) + "\n"


def _lines(assessment: Assessment) -> Iterator[str]:
    yield f"### The paper's claims: {words.headline(assessment)}"
    yield ""
    yield _row(["verdict", "claim", "claimed", "measured (95 %)", "conditions"])
    yield _row(["---"] * 5)
    for judgement in assessment.judgements:
        yield _summary(judgement)
    yield ""
    yield words.tolerance(assessment)
    for judgement in assessment.judgements:
        yield from ("", f"**{judgement.claim.text}**", "")
        yield from (f"- {_prose(note)}" for note in assessment.notes_on(judgement))
        if judgement.others:
            yield from ("", "<details>", f"<summary>{len(judgement.others)} under other conditions</summary>", "")
            yield _row(["verdict", "claimed", "measured (95 %)", "conditions"])
            yield _row(["---"] * 4)
            for finding in judgement.others:
                yield _finding(judgement, finding)
            yield from ("", "</details>")
    for panel in {panel.figure: panel for panel in reversed(assessment.panels)}.values():
        yield from ("", f"**{panel.title}** ({code(words.panel(panel))})", "")
        yield from _points(panel)
    yield ""
    yield from (f"- {_prose(note)}" for note in [*assessment.paper_notes, *assessment.result_notes])


def _summary(judgement: Judgement) -> str:
    claim, closest = judgement.claim, judgement.closest
    return _row(
        [
            f"{_SIGNS[judgement.verdict]} {judgement.verdict}",
            claim.text,
            words.claimed(claim, claim.claimed),
            words.measured(claim, closest.measured) if closest else words.MISSING,
            code(words.conditions(closest) if closest else words.no_finding(judgement)),
        ]
    )


def _finding(judgement: Judgement, finding: Finding) -> str:
    claimed = words.claimed(judgement.claim, finding.reading)
    measured = words.measured(judgement.claim, finding.measured)
    return _row([f"{_SIGNS[finding.verdict]} {finding.verdict}", claimed, measured, code(words.conditions(finding))])


def _points(panel: Panel) -> Iterator[str]:
    yield _row(words.POINT_COLUMNS)
    yield _row(["---", *["---:"] * (len(words.POINT_COLUMNS) - 1)])
    for point in panel.points:
        if point.status != "missing":
            name, *rest = words.point(point)
            yield _row([code(name), *rest])


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _prose(text: str) -> str:
    """A path, or a library's words, would be read as Markdown and HTML."""
    return "".join(f"&#{ord(char)};" if char in "*_<>&@`[]|\\" else char for char in text)
