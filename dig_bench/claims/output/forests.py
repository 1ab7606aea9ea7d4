"""Forest plots: every measured value of a claim, over the claimed one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dig_bench.cell import Key, short_device_name
from dig_bench.claims.assessment import Assessment
from dig_bench.claims.claim import Claim
from dig_bench.claims.finding import Finding
from dig_bench.claims.judgement import Judgement
from dig_bench.claims.output import words
from dig_bench.claims.ratios import Ratio
from dig_bench.claims.verdict import Verdict
from dig_bench.render import drawing
from dig_bench.render.labels import beside, one_device, shared
from dig_bench.render.levels import level_of
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import plain, slug

_MARKERS: dict[Verdict, str] = {
    "exceeded": "^",
    "reproduced": "o",
    "undecided": "s",
    "not reproduced": "v",
    "not measured": "x",
}

_ROW_INCHES = 0.27
_FARTHEST = 12.0
"""Times the claimed value; a value beyond it, or below its inverse, is drawn at the edge."""

_CAPTIONS = {
    False: "Right of the line is more than claimed. The band is the tolerance, a bar the 95 % interval, mostly smaller "
    "than its marker.",
    True: "Right of the line is an earlier crossover than claimed; at the left edge there is none.",
}
"""Captions for ratios (False) and crossovers (True)."""

_COLUMNS = ("conditions", "claimed", "measured (95 %)", "basis", "verdict", "departs from the paper's conditions")

MAX_FINDINGS = 14
"""Findings drawn for a claim: those nearest to the paper's conditions."""


def forests(assessment: Assessment) -> Iterator[tuple[str, Plot]]:
    """Yields id and plot of each claim that has findings."""
    for judgement in assessment.judgements:
        if judgement.findings:
            yield judgement.claim.id, _forest(judgement, assessment.tolerance)


@matplotlib.rc_context(RC)
def _forest(judgement: Judgement, tolerance: float) -> Plot:
    claim, findings = judgement.claim, judgement.findings[:MAX_FINDINGS]
    is_crossover = claim.quantity == "crossover_px"
    first = findings[0]
    common = shared([finding.conditions for finding in findings], besides=())
    device_name = one_device(finding.device_name for finding in findings)
    names = [_name(finding, common, with_device=not device_name) for finding in findings]
    conditions = plain(common.label(device_name=device_name))
    return Plot(
        topic="claim",
        name=f"claim-{slug(claim.id)}",
        title=claim.text,
        conditions=conditions,
        unit="the claim's terms",
        caption=f"{_CAPTIONS[is_crossover]} A filled marker is the measurement nearest to the paper's conditions.",
        alt=f"{len(findings)} measurements. {words.conditions(first)}: {words.measured(claim, first)}, "
        f"{first.verdict}.",
        figure=_figure(judgement, names, conditions, tolerance),
        table=_table(judgement),
    )


def _figure(judgement: Judgement, names: Sequence[str], title: str, tolerance: float) -> Figure:
    findings = judgement.findings[: len(names)]
    is_crossover = judgement.claim.quantity == "crossover_px"
    figure = Figure(figsize=(6.4, 1.6 + _ROW_INCHES * len(findings)), layout="constrained")
    axes = figure.add_subplot(title=title, xlabel="claimed / measured" if is_crossover else "measured / claimed")
    drawing.logarithmic(axes, axis="x")
    if not is_crossover:
        axes.axvspan(1 - tolerance, 1 + tolerance, color=LIGHT["grid"], alpha=0.7, zorder=1)
    axes.axvline(1, color=LIGHT["ink"], linewidth=1, zorder=2)
    for place, finding in enumerate(findings):
        _row(axes, place, finding, filled=finding is judgement.closest)
    axes.set_yticks(range(len(names)), names, fontsize=7.5)
    axes.set_ylim(len(findings) - 0.4, -0.6)
    left, right = axes.get_xlim()
    axes.set_xlim(min(left, 0.7), max(right, 1.4))
    axes.grid(visible=False, axis="y")
    _legend(figure, findings, judgement.claim)
    return figure


def _row(axes: Axes, place: int, finding: Finding, *, filled: bool) -> None:
    color = _color(finding.verdict)
    found, claimed = finding.measured, finding.reading.value
    if isinstance(found, Ratio):
        value, low, high = (_within(each / claimed) for each in (found.value, found.low, found.high))
    else:
        value, low, high = (_within(claimed / each) for each in (found.value, found.high, found.low))
    axes.plot([low, high], [place, place], color=color, linewidth=2, solid_capstyle="butt", zorder=3)
    axes.plot(
        value,
        place,
        _MARKERS[finding.verdict],
        color=color,
        markerfacecolor=color if filled else LIGHT["surface"],
        markersize=6.5,
        zorder=4,
        clip_on=False,
    )


def _legend(figure: Figure, findings: Sequence[Finding], claim: Claim) -> None:
    entries: list[Line2D | Patch] = [
        Line2D([], [], marker=_MARKERS[verdict], linestyle="none", color=_color(verdict), label=verdict)
        for verdict in words.VERDICTS
        if any(finding.verdict == verdict for finding in findings)
    ]
    if claim.quantity != "crossover_px":
        entries.append(Patch(color=LIGHT["grid"], alpha=0.7, label="tolerance"))
    figure.legend(handles=entries, loc="outside lower left", ncols=4)


def _table(judgement: Judgement) -> pd.DataFrame:
    claim = judgement.claim
    records = [
        (
            words.conditions(finding),
            words.claimed(claim, finding.reading),
            words.value(claim, finding.measured),
            words.basis(finding),
            finding.verdict,
            words.departures(finding),
        )
        for finding in judgement.findings
    ]
    return pd.DataFrame(records, columns=list(_COLUMNS)).set_index(_COLUMNS[0])


def _name(finding: Finding, common: Key, *, with_device: bool) -> str:
    """The models, and those conditions that the findings do not share."""
    device = short_device_name(finding.device_name) if with_device else ""
    return plain(" · ".join(filter(None, (finding.pair, beside(finding.conditions, common), device))), 64)


def _color(verdict: Verdict) -> str:
    return LIGHT[level_of(verdict).name]


def _within(ratio: float) -> float:
    return min(max(ratio, 1 / _FARTHEST), _FARTHEST) if ratio == ratio else 1.0
