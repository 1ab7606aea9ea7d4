"""Markdown, for a pull request or a README."""

from __future__ import annotations

from collections.abc import Iterator

from dig_bench.claims.assessment import Assessment
from dig_bench.claims.judgement import Judgement
from dig_bench.claims.output import notes, words
from dig_bench.claims.points import Panel
from dig_bench.claims.verdict import Verdict
from dig_bench.render.levels import level_of
from dig_bench.render.markdown import code, prose, table
from dig_bench.render.numbers import MISSING


def render(assessment: Assessment) -> str:
    """The whole text."""
    return "\n".join(_lines(assessment)) + "\n"


def _lines(assessment: Assessment) -> Iterator[str]:
    yield from (f"### The paper's claims: {words.headline(assessment)}", "")
    columns = ("verdict", "claim", "claimed", "measured (95 %)", "conditions")
    yield from table(columns, map(_summary, assessment.judgements))
    yield from ("", words.tolerance(assessment))
    for judgement in assessment.judgements:
        yield from ("", f"**{judgement.claim.text}**", "")
        yield from (f"- {prose(note)}" for note in notes.on_claim(assessment, judgement))
        if judgement.others:
            yield from ("", "<details>", f"<summary>{len(judgement.others)} under other conditions</summary>", "")
            yield from table(("verdict", "claimed", "measured (95 %)", "conditions"), _others(judgement))
            yield from ("", "</details>")
    for panel in assessment.nearest_panels:
        yield from ("", f"**{panel.title}** ({code(words.panel(panel))})", "")
        yield from table(words.POINT_COLUMNS, _points(panel))
    yield ""
    yield from (f"- {prose(note)}" for note in [*notes.on_paper(), *notes.on_results(assessment)])


def _summary(judgement: Judgement) -> tuple[str, ...]:
    claim, closest = judgement.claim, judgement.closest
    return (
        _verdict(judgement.verdict),
        claim.text,
        words.claimed(claim, claim.claimed),
        prose(words.measured(claim, closest)) if closest else MISSING,
        code(words.conditions(closest) if closest else words.no_finding(judgement)),
    )


def _others(judgement: Judgement) -> Iterator[tuple[str, ...]]:
    for finding in judgement.others:
        yield (
            _verdict(finding.verdict),
            words.claimed(judgement.claim, finding.reading),
            prose(words.measured(judgement.claim, finding)),
            code(words.conditions(finding)),
        )


def _points(panel: Panel) -> Iterator[tuple[str, ...]]:
    for point in panel.points:
        if point.status != "missing":
            name, *rest = words.point(point)
            yield (code(name), *rest)


def _verdict(verdict: Verdict) -> str:
    return f"{level_of(verdict).sign} {verdict}".strip()
