"""The processes of both sides, cell by cell, as one drawing a metric."""

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

from dig_bench.cell import Cell
from dig_bench.compare.comparison import Comparison
from dig_bench.compare.decision import Verdict
from dig_bench.compare.findings import Finding
from dig_bench.compare.output import words
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import plain, slug
from dig_bench.results.metrics import METRICS

MAX_CELLS = 24
"""A drawing; the worst are shown."""

COLORS: dict[Verdict, str] = {
    "slower": LIGHT["bad"],
    "undecided": LIGHT["warn"],
    "faster": LIGHT["good"],
    "same": LIGHT["muted"],
}

_ORDER = list(COLORS)
_FARTHEST = 4.0
"""Ratios beyond it, or below its inverse, are drawn at the edge."""
_ROW_INCHES = 0.34
_ABOVE = {"base": 0.17, "candidate": -0.17}
"""How far above the middle of its row a side lies."""
_CONDITIONS = ("mode", "precision", "execution", "batch_size", "device")


def plots(comparison: Comparison) -> list[Plot]:
    """One a metric that has figures, in the order of the settings."""
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
def _plot(metric: str, found: Sequence[tuple[Cell, Finding]]) -> Plot:
    ranked = sorted(found, key=lambda each: (_ORDER.index(each[1].verdict), -abs(_log_ratio(each[1]))))
    shown, common = ranked[:MAX_CELLS], _common([key for key, _ in ranked])
    names = [_name(key, common) for key, _ in shown]
    figure = Figure(figsize=(6.4, 1.5 + _ROW_INCHES * len(shown)), layout="constrained")
    title = f"{words.TITLES[metric]} of every process".capitalize()
    axes = figure.add_subplot(title=_conditions(common), xlabel="against the base's mean")
    for place, (_, finding) in enumerate(shown):
        _draw(axes, place, finding)
    axes.axvline(0, color=LIGHT["ink"], linewidth=1, zorder=2)
    axes.set_yticks(range(len(shown)), [plain(name, 44) for name in names])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=None))
    axes.grid(visible=False, axis="y")
    _legend(figure)
    unit = METRICS[metric].unit
    table = pd.DataFrame(
        [
            (
                name,
                _processes(finding.base),
                _processes(finding.candidate),
                words.ratio(finding),
                words.verdict(finding),
            )
            for name, (_, finding) in zip(names, shown, strict=True)
        ],
        columns=["cell", "base", "candidate", "ratio", "verdict"],
    ).set_index("cell")
    more = f" The other {len(ranked) - len(shown)} cells are in the table of all." if len(ranked) > len(shown) else ""
    changed = [
        f"{name} {words.verdict(finding)} {words.ratio(finding)}"
        for name, (_, finding) in zip(names, shown, strict=True)
        if finding.verdict != "same"
    ]
    return Plot(
        topic=metric,
        name=f"compare-{slug(metric)}",
        title=title,
        conditions=_conditions(common),
        unit=unit,
        caption="A circle is a process of the base, a diamond one of the candidate, the bar the interval of the ratio; "
        f"the band is what the threshold lets pass. The worst cells come first.{more}",
        alt=f"{len(shown)} cells. {'; '.join(changed) if changed else 'All are the same'}.",
        figure=figure,
        table=table,
    )


def _draw(axes: Axes, place: int, finding: Finding) -> None:
    """One row: x is the relative difference to the geometric mean of the base."""
    assert finding.decision is not None
    color, mean = COLORS[finding.verdict], math.exp(float(np.log(finding.base).mean()))
    limit = finding.threshold.log_limit(mean)
    left, right = (_within(math.copysign(limit, sign)) for sign in (-1, 1))
    axes.barh(place, right - left, left=left, height=0.9, color=LIGHT["grid"], alpha=0.6, zorder=1)
    low, high = (math.log(end) if 0 < end < math.inf else None for end in _ends(finding))
    if low is not None and high is not None:
        axes.plot([_within(low), _within(high)], [place, place], color=color, linewidth=2.4, zorder=3)
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


def _ends(finding: Finding) -> tuple[float, float]:
    assert finding.decision is not None
    return finding.decision.ratio_low, finding.decision.ratio_high


def _within(log_ratio: float) -> float:
    edge = math.log(_FARTHEST)
    return math.expm1(min(max(log_ratio, -edge), edge))


def _log_ratio(finding: Finding) -> float:
    assert finding.decision is not None
    return math.log(min(max(finding.decision.ratio, 1e-300), 1e300))


def _legend(figure: Figure) -> None:
    entries = [
        Line2D(
            [], [], marker="o", linestyle="none", color=LIGHT["ink"], markerfacecolor=LIGHT["surface"], label="base"
        ),
        *(
            Line2D([], [], marker="D", color=color, linewidth=2.4, label=f"candidate: {label}")
            for color, label in zip(COLORS.values(), ("worse", "undecided", "better", "the same"), strict=True)
        ),
        Patch(color=LIGHT["grid"], alpha=0.6, label="threshold"),
    ]
    figure.legend(handles=entries, loc="outside lower left", ncols=3)


def _processes(figures: Sequence[float]) -> str:
    return ", ".join(map(words.figure, figures))


def _common(keys: Sequence[Cell]) -> dict[str, str]:
    """The conditions that all cells share."""
    found = {name: {str(getattr(key, name)) for key in keys} for name in _CONDITIONS}
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def _name(key: Cell, common: dict[str, str]) -> str:
    own = [_condition(name, getattr(key, name)) for name in _CONDITIONS if name not in common]
    return words.clean(" ".join([key.name, f"{key.resolution_px}px", *own]))


def _conditions(common: dict[str, str]) -> str:
    return words.clean(", ".join(_condition(name, value) for name, value in common.items()))


def _condition(name: str, value: object) -> str:
    return f"batch {value}" if name == "batch_size" else str(value)
