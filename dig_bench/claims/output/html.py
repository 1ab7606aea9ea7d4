"""One self-contained HTML page. The template escapes all text that comes from a file."""

from __future__ import annotations

from dig_bench.claims.assessment import Assessment
from dig_bench.claims.output import notes, words
from dig_bench.claims.output.curves import curves
from dig_bench.claims.output.forests import forests
from dig_bench.render.levels import level_of
from dig_bench.render.page import fill


def render(assessment: Assessment) -> str:
    """The whole page."""
    drawn = dict(forests(assessment))
    return fill(
        "claims.html.j2",
        package="dig_bench.claims.output",
        name="The paper's claims",
        headline=words.headline(assessment),
        tolerance=words.tolerance(assessment),
        paper_notes=notes.on_paper(),
        result_notes=notes.on_results(assessment),
        judgements=[
            (
                judgement,
                level_of(judgement.verdict).name,
                notes.on_claim(assessment, judgement),
                drawn.get(judgement.claim.id),
            )
            for judgement in assessment.judgements
        ],
        curves=list(curves(assessment)),
        columns=words.POINT_COLUMNS,
        panels=[
            (panel, [words.point(point) for point in panel.points if point.status != "missing"])
            for panel in assessment.panels
        ],
        words=words,
        kinds={verdict: level_of(verdict).name for verdict in words.VERDICTS},
    )
