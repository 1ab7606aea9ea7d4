"""The claims drawn: every measured ratio against the claimed one, and the paper's curves beside the measured ones."""

from __future__ import annotations

import math
from collections.abc import Iterator

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dig_bench.claims.assessment import Assessment
from dig_bench.claims.judgement import Claim, Finding, Judgement
from dig_bench.claims.measured import Ratio
from dig_bench.claims.output import words
from dig_bench.claims.points import Panel
from dig_bench.claims.verdict import Verdict
from dig_bench.compare.output.words import clean
from dig_bench.render import drawing
from dig_bench.render.plot import Plot, tabulated
from dig_bench.render.style import LIGHT, RC, Look
from dig_bench.render.text import plain, slug

COLORS: dict[Verdict, str] = {
    "exceeded": LIGHT["good"],
    "reproduced": LIGHT["accent"],
    "undecided": LIGHT["warn"],
    "not reproduced": LIGHT["bad"],
    "not measured": LIGHT["muted"],
}

_MARKERS: dict[Verdict, str] = {
    "exceeded": "^",
    "reproduced": "o",
    "undecided": "s",
    "not reproduced": "v",
    "not measured": "x",
}

_ROW_INCHES = 0.27
_FARTHEST = 12.0
"""Times the claimed value; what lies beyond, or below its inverse, is drawn at the edge."""

_CAPTIONS = {
    False: "Right of the line is more than claimed. The band is the tolerance, a bar the 95 % interval, mostly smaller "
    "than its marker.",
    True: "Right of the line is an earlier crossover than claimed; at the left edge there is none.",
}
"""By whether the claim is about a crossover."""

MAX_FINDINGS = 14
"""Of a claim; the nearest to the paper's conditions are drawn."""


def forests(assessment: Assessment) -> Iterator[tuple[str, Plot]]:
    """Of each claim that has findings, by its id."""
    for judgement in assessment.judgements:
        if judgement.findings:
            yield judgement.claim.id, _forest(judgement, assessment.tolerance)


def curves(assessment: Assessment) -> Iterator[Plot]:
    """Of each figure's panel that is nearest to the paper's conditions: DiG's speed against the others', and in the
    teaser figure their memory against DiG's."""
    nearest = {panel.figure: panel for panel in reversed(assessment.panels)}
    if panel := nearest.get("teaser"):
        yield from filter(None, _over_resolution(panel))
    if panel := nearest.get("size"):
        yield from filter(None, _over_size(panel))


@matplotlib.rc_context(RC)
def _forest(judgement: Judgement, tolerance: float) -> Plot:
    claim, closest = judgement.claim, judgement.closest
    findings = judgement.findings[:MAX_FINDINGS]
    figure = Figure(figsize=(6.4, 1.35 + _ROW_INCHES * len(findings)), layout="constrained")
    axes = figure.add_subplot(xlabel="measured / claimed" if claim.quantity != "crossover_px" else "claimed / measured")
    drawing.logarithmic(axes, axis="x")
    if claim.quantity != "crossover_px":
        axes.axvspan(1 - tolerance, 1 + tolerance, color=LIGHT["grid"], alpha=0.7, zorder=1)
    axes.axvline(1, color=LIGHT["ink"], linewidth=1, zorder=2)
    for place, finding in enumerate(findings):
        _row(axes, place, finding, filled=finding is closest)
    axes.set_yticks(range(len(findings)), [plain(_name(finding), 58) for finding in findings], fontsize=7.5)
    axes.set_ylim(len(findings) - 0.4, -0.6)
    left, right = axes.get_xlim()
    axes.set_xlim(min(left, 0.7), max(right, 1.4))
    axes.grid(visible=False, axis="y")
    _legend(figure, findings, claim)
    table = pd.DataFrame(
        [
            (
                clean(_name(finding)),
                words.claimed(claim, finding.reading),
                words.measured(claim, finding.measured),
                words.evidence(claim, finding.measured),
                finding.verdict,
                words.departures(finding) or "none known",
            )
            for finding in judgement.findings
        ],
        columns=[
            "conditions",
            "claimed",
            "measured (95 %)",
            "evidence",
            "verdict",
            "departs from the paper's conditions",
        ],
    )
    first = findings[0]
    return Plot(
        topic="claim",
        name=f"claim-{slug(claim.id)}",
        title=claim.text,
        conditions="",
        unit="the claim's terms",
        caption=f"{_CAPTIONS[claim.quantity == 'crossover_px']} A filled marker is the measurement nearest to the "
        "paper's conditions.",
        alt=f"{len(findings)} measurements. {_name(first)}: {words.measured(claim, first.measured)}, {first.verdict}.",
        figure=figure,
        table=table.set_index("conditions"),
    )


def _row(axes: Axes, place: int, finding: Finding, *, filled: bool) -> None:
    color = COLORS[finding.verdict]
    found, claimed = finding.measured, finding.reading.value
    if isinstance(found, Ratio):
        value, low, high = (_within(each / claimed) for each in (found.value, found.low, found.high))
    else:
        value, low, high = (_within(claimed / each) for each in (found.value, found.high, found.low))
    axes.plot([low, high], [place, place], color=color, linewidth=2, solid_capstyle="butt", zorder=3)
    face = color if filled else LIGHT["surface"]
    axes.plot(
        value,
        place,
        _MARKERS[finding.verdict],
        color=color,
        markerfacecolor=face,
        markersize=6.5,
        zorder=4,
        clip_on=False,
    )


def _legend(figure: Figure, findings: tuple[Finding, ...], claim: Claim) -> None:
    entries: list[Line2D | Patch] = [
        Line2D([], [], marker=_MARKERS[verdict], linestyle="none", color=COLORS[verdict], label=verdict)
        for verdict in words.VERDICTS
        if any(finding.verdict == verdict for finding in findings)
    ]
    if claim.quantity != "crossover_px":
        entries.append(Patch(color=LIGHT["grid"], alpha=0.7, label="tolerance"))
    figure.legend(handles=entries, loc="outside lower left", ncols=4)


def _over_resolution(panel: Panel) -> Iterator[Plot | None]:
    for quantity, title, ylabel in (
        ("speedup", "DiG's speed over resolution", "DiG's images/s over theirs"),
        ("memory_ratio", "Memory of the others over resolution", "their memory over DiG's"),
    ):
        yield _ratios(panel, quantity, title, ylabel, x="resolution_px", name=f"figure-teaser-{slug(quantity)}")


def _over_size(panel: Panel) -> Iterator[Plot | None]:
    for resolution_px in dict.fromkeys(point.resolution_px for point in panel.points):
        title = f"DiG's speed over model size at {resolution_px} px"
        yield _ratios(
            panel,
            "speedup",
            title,
            "DiG's images/s over theirs",
            x="size",
            name=f"figure-size-{resolution_px}",
            resolution_px=resolution_px,
        )


@matplotlib.rc_context(RC)
def _ratios(
    panel: Panel, quantity: str, title: str, ylabel: str, *, x: str, name: str, resolution_px: int | None = None
) -> Plot | None:
    """None without a measured ratio."""
    records = list(_records(panel, quantity, resolution_px))
    if not any(record["value"] == record["value"] for record in records):
        return None
    points = pd.DataFrame(records)
    if x == "size":
        sizes = list(dict.fromkeys(points["size"]))
        points = points.assign(place=points["size"].map(lambda size: float(sizes.index(size))))
    at = "place" if x == "size" else x
    shown = points.assign(value=points["published"], label="paper: " + points["name"])
    look = Look(points)
    figure, axes = drawing.canvas(plain(panel.conditions.protocol), xlabel="resolution (px)", ylabel=ylabel)
    drawing.curves(axes, points, look, x=at)
    drawing.published_curves(axes, shown, look, x=at)
    axes.axhline(1, color=LIGHT["muted"], linewidth=1, zorder=1)
    drawing.logarithmic(axes)
    if x == "size":
        axes.set_xlabel("model size")
        axes.set_xticks(range(len(sizes)), [plain(size, 8) for size in sizes])
    else:
        drawing.resolution_ticks(axes, points)
    drawing.legend(figure, points, look, shown)
    measured, alt = tabulated(points, look.order(points), unit="times", index=x)
    paper, _ = tabulated(
        shown.drop(columns=["low", "high"]).assign(name=shown["label"]),
        [f"paper: {each}" for each in look.order(points)],
        unit="times",
        index=x,
    )
    return Plot(
        topic="figure",
        name=name,
        title=title,
        conditions=plain(panel.conditions.protocol),
        unit="times",
        caption="Above 1 DiG is better. Solid: measured here; dashed: the points of the paper's figure.",
        alt=alt,
        figure=figure,
        table=measured.join(paper),
    )


def _records(panel: Panel, quantity: str, resolution_px: int | None) -> Iterator[dict[str, object]]:
    for point in panel.points:
        published = getattr(point.paper, quantity)
        value = getattr(point.measured, quantity)
        if (published is None and value is None) or resolution_px not in (None, point.resolution_px):
            continue
        interval = point.speedup if quantity == "speedup" else None
        yield {
            "name": point.name if point.size == "S/2" and panel.figure == "teaser" else _bare(point.name, point.size),
            "family": point.family,
            "backend": point.backend,
            "size": point.size,
            "resolution_px": point.resolution_px,
            "status": point.status if point.status != "missing" else "ok",
            "value": _number(value),
            "low": _number(interval.low if interval else value),
            "high": _number(interval.high if interval and math.isfinite(interval.high) else value),
            "published": _number(published),
        }


def _bare(name: str, size: str) -> str:
    """`DiT@math`: one curve of all sizes."""
    return name.replace(f"-{size}", "", 1)


def _name(finding: Finding) -> str:
    conditions = finding.conditions
    execution = "" if conditions.execution == "graph" else f", {conditions.execution}"
    batch = "" if conditions.batch_size == 1 else f", batch {conditions.batch_size}"
    return f"{conditions.ours} to {conditions.theirs}: {conditions.mode} {conditions.precision}{execution}{batch}"


def _number(value: float | None) -> float:
    """What cannot be a ratio of two models is not drawn: axes end somewhere."""
    return value if value is not None and 1e-6 < value < 1e6 else math.nan


def _within(ratio: float) -> float:
    return min(max(ratio, 1 / _FARTHEST), _FARTHEST) if ratio == ratio else 1.0
