"""Figures: the values of all processes of both sides, cell by cell, one figure per metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from dig_bench.cell import Key
from dig_bench.compare.comparison import Comparison
from dig_bench.compare.decision import VERDICTS
from dig_bench.compare.finding import Finding
from dig_bench.compare.output import words
from dig_bench.render.labels import beside, shared
from dig_bench.render.levels import level_of
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import log_line, plain, slug
from dig_bench.results.metrics import METRICS

MAX_CELLS = 24
"""Cells per figure; the worst are drawn."""

_FARTHEST = 4.0
"""Ratios beyond it, or below its inverse, are drawn at the edge."""
_ROW_INCHES = 0.34
_ABOVE = {"base": 0.17, "candidate": -0.17}
"""Offset of a side from the middle of its row, upwards."""

Drawn = tuple[str, Finding]
"""A cell's name and its finding."""


def plots(comparison: Comparison) -> list[Plot]:
    """Draws a figure for each metric that has values, in the order of the settings."""
    return [
        _plot(metric, found)
        for metric in words.metrics_shown(comparison)
        if (
            found := [
                (cell.key, finding)
                for cell in comparison.cells
                for finding in cell.findings
                if finding.metric == metric and finding.decision is not None
            ]
        )
    ]


@matplotlib.rc_context(RC)
def _plot(metric: str, found: Sequence[tuple[Key, Finding]]) -> Plot:
    common = shared([key for key, _ in found])
    ranked = sorted(found, key=lambda each: (VERDICTS.index(each[1].verdict), -abs(_log_ratio(each[1]))))
    shown = [(log_line(beside(key, common)), finding) for key, finding in ranked[:MAX_CELLS]]
    title = f"{METRICS[metric].title} of every process".capitalize()
    conditions = log_line(common.label())
    hidden = len(ranked) - len(shown)
    more = f" The other {hidden} cells are in the table of all cells." if hidden else ""
    changed = [
        f"{name} {words.verdict(finding)} {words.ratio(finding)}"
        for name, finding in shown
        if finding.verdict != "same"
    ]
    return Plot(
        topic=metric,
        name=f"compare-{slug(metric)}",
        title=title,
        conditions=conditions,
        unit=METRICS[metric].unit,
        caption="A circle is a process of the base, a diamond one of the candidate, a bar the interval of the ratio. "
        f"The band is the threshold. The worst cells come first.{more}",
        alt=f"{len(shown)} cells. {'; '.join(changed) if changed else 'All are the same'}.",
        figure=_figure(shown, conditions),
        table=_table(shown),
    )


def _figure(shown: Sequence[Drawn], conditions: str) -> Figure:
    figure = Figure(figsize=(6.4, 1.5 + _ROW_INCHES * len(shown)), layout="constrained")
    axes = figure.add_subplot(title=conditions, xlabel="relative to the base's mean")
    for place, (_, finding) in enumerate(shown):
        _draw(axes, place, finding)
    axes.axvline(0, color=LIGHT["ink"], linewidth=1, zorder=2)
    axes.set_yticks(range(len(shown)), [plain(name, 44) for name, _ in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=None))
    axes.grid(visible=False, axis="y")
    _add_legend(figure)
    return figure


def _table(shown: Sequence[Drawn]) -> pd.DataFrame:
    records = [
        (
            name,
            *(words.values(side, finding.metric) for side in (finding.base, finding.candidate)),
            words.ratio(finding),
            words.verdict(finding),
        )
        for name, finding in shown
    ]
    return pd.DataFrame(records, columns=["cell", "base", "candidate", "ratio", "verdict"]).set_index("cell")


def _draw(axes: Axes, place: int, finding: Finding) -> None:
    """Draws one row; x is the relative difference to the geometric mean of the base."""
    assert finding.decision is not None
    color, mean = _color(finding.verdict), math.exp(float(np.log(finding.base).mean()))
    limit = finding.threshold.log_limit(mean)
    left, right = (_within(math.copysign(limit, sign)) for sign in (-1, 1))
    axes.barh(place, right - left, left=left, height=0.9, color=LIGHT["grid"], alpha=0.6, zorder=1)
    low, high = finding.decision.ratio_low, finding.decision.ratio_high
    if 0 < low < math.inf and 0 < high < math.inf:
        interval = [_within(math.log(low)), _within(math.log(high))]
        axes.plot(interval, [place, place], color=color, linewidth=2.4, zorder=3)
    for side, (marker, face) in {"base": ("o", LIGHT["surface"]), "candidate": ("D", color)}.items():
        values = [_within(math.log(value) - math.log(mean)) for value in getattr(finding, side)]
        axes.plot(
            values,
            [place - _ABOVE[side]] * len(values),
            marker,
            color=LIGHT["ink"] if side == "base" else color,
            markerfacecolor=face,
            markersize=4.5,
            zorder=4,
        )


def _color(verdict: str) -> str:
    return LIGHT[level_of(verdict).name]


def _within(log_ratio: float) -> float:
    edge = math.log(_FARTHEST)
    return math.expm1(min(max(log_ratio, -edge), edge))


def _log_ratio(finding: Finding) -> float:
    assert finding.decision is not None
    return math.log(min(max(finding.decision.ratio, 1e-300), 1e300))


def _add_legend(figure: Figure) -> None:
    entries = [
        Line2D(
            [], [], marker="o", linestyle="none", color=LIGHT["ink"], markerfacecolor=LIGHT["surface"], label="base"
        ),
        *(
            Line2D([], [], marker="D", color=_color(verdict), linewidth=2.4, label=f"candidate: {word}")
            for verdict in VERDICTS
            for word in [words.COUNTED[verdict]]
        ),
        Patch(color=LIGHT["grid"], alpha=0.6, label="threshold"),
    ]
    figure.legend(handles=entries, loc="outside lower left", ncols=3)
