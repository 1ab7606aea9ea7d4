"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dig_bench.claims.assessment import Assessment
from dig_bench.claims.output import notes, words
from dig_bench.claims.points import Panel
from dig_bench.claims.verdict import Verdict
from dig_bench.render.levels import WARN, level_of
from dig_bench.render.numbers import MISSING


def render(assessment: Assessment) -> RenderableType:
    """All claims, findings and points. Texts from results are Text, so that rich reads no markup in them."""
    return Group(*_parts(assessment))


def _parts(assessment: Assessment) -> Iterator[RenderableType]:
    yield _claims(assessment)
    for judgement in assessment.judgements:
        for note in notes.on_claim(assessment, judgement):
            yield Text(f"{judgement.claim.id}: {note}", style="dim")
    yield Text("")
    if any(judgement.others for judgement in assessment.judgements):
        yield _others(assessment)
    for panel in assessment.nearest_panels:
        yield _points(panel)
    for note in notes.on_paper():
        yield Text(f"the paper: {note}", style="dim")
    for note in notes.on_results(assessment):
        yield Text(f"note: {note}", style=WARN.terminal)
    yield Text(words.tolerance(assessment), style="dim")
    yield Text(f"{len(assessment.judgements)} claims: {words.headline(assessment)}.", style="bold")


def _claims(assessment: Assessment) -> Table:
    table = Table(
        "verdict", "claim", "claimed", "measured (95 %)", "nearest to the paper's conditions", title="The claims"
    )
    for judgement in assessment.judgements:
        claim, closest = judgement.claim, judgement.closest
        table.add_row(
            _verdict(judgement.verdict),
            Text(claim.text),
            Text(words.claimed(claim, claim.claimed)),
            Text(words.measured(claim, closest) if closest else MISSING),
            Text(words.conditions(closest) if closest else words.no_finding(judgement)),
        )
    return table


def _others(assessment: Assessment) -> Table:
    table = Table("verdict", "claim", "claimed", "measured (95 %)", "conditions", title="Under other conditions")
    for judgement in assessment.judgements:
        claim = judgement.claim
        for index, finding in enumerate(judgement.others):
            table.add_row(
                _verdict(finding.verdict),
                Text("" if index else claim.id),
                Text(words.claimed(claim, finding.reading)),
                Text(words.measured(claim, finding)),
                Text(words.conditions(finding)),
            )
        if judgement.others:
            table.add_section()
    return table


def _points(panel: Panel) -> Table:
    table = Table(title=Text(f"{panel.title}: {words.panel(panel)}"))
    for place, column in enumerate(words.POINT_COLUMNS):
        table.add_column(column, justify="left" if place == 0 else "right")
    for point in panel.points:
        if point.status != "missing":
            table.add_row(*map(Text, words.point(point)))
    return table


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict, style=level_of(verdict).terminal)
