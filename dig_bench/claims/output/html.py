"""One self-contained HTML page, in the looks of the report. Whatever comes from a file is escaped by the template."""

from __future__ import annotations

from markupsafe import Markup

from dig_bench.claims.assessment import Assessment
from dig_bench.claims.output import words
from dig_bench.claims.output.figures import curves, forests
from dig_bench.claims.verdict import Verdict
from dig_bench.render.page import fill

_KINDS: dict[Verdict, str] = {
    "exceeded": "good",
    "reproduced": "good",
    "undecided": "warn",
    "not reproduced": "bad",
    "not measured": "muted",
}


def render(assessment: Assessment) -> str:
    drawn = {id: (plot, Markup(plot.markup())) for id, plot in forests(assessment)}
    return fill(
        "claims.html.j2",
        package="dig_bench.claims.output",
        name="The paper's claims",
        assessment=assessment,
        headline=words.headline(assessment),
        judgements=[
            (judgement, _KINDS[judgement.verdict], drawn.get(judgement.claim.id)) for judgement in assessment.judgements
        ],
        curves=[(plot, Markup(plot.markup())) for plot in curves(assessment)],
        columns=words.POINT_COLUMNS,
        panels=[
            (panel, [words.point(point) for point in panel.points if point.status != "missing"])
            for panel in assessment.panels
        ],
        words=words,
        kinds=_KINDS,
    )
