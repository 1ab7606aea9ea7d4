"""One self-contained HTML page, in the looks of the report. Whatever comes from a file is escaped by the template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from dig_bench.compare.comparison import CellComparison, Comparison
from dig_bench.compare.decision import Verdict
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.output import words
from dig_bench.compare.output.figures import plots
from dig_bench.render.page import fill

_KINDS: dict[Verdict | None, str] = {"slower": "bad", "undecided": "warn", "faster": "good", "same": "", None: ""}
_RANKS: list[Verdict | None] = ["slower", "undecided", "faster", None, "same"]


def render(comparison: Comparison) -> str:
    metrics = words.metrics_shown(comparison)
    cells = sorted(comparison.cells, key=lambda cell: _RANKS.index(cell.verdict))
    return fill(
        "compare.html.j2",
        package="dig_bench.compare.output",
        name=words.headline(comparison),
        sides={"base": words.side(comparison.base), "candidate": words.side(comparison.candidate)},
        counts=words.counts(comparison) if cells else "",
        tiles=list(_tiles(comparison)) if cells else [],
        differences=comparison.differences,
        warnings=comparison.warnings,
        method=words.method(comparison),
        plots=[(plot, Markup(plot.markup())) for plot in plots(comparison)],
        metrics=[words.TITLES[metric] for metric in metrics],
        records=[(_KINDS[cell.verdict], words.label(cell), cell, list(_ratios(cell, metrics))) for cell in cells],
        reasons=words.reasons,
        labels=sorted({words.label(cell) for cell in cells}),
        models=sorted({cell.key.model for cell in cells}),
        environments=list(_environments(comparison.base, comparison.candidate)),
    )


def _tiles(comparison: Comparison) -> Iterator[tuple[str, int]]:
    yield "worse", len(comparison.regressions)
    yield "undecided", len(comparison.undecided)
    yield "better", len(comparison.improvements)
    yield "the same", sum(cell.verdict == "same" for cell in comparison.cells)
    if comparison.new:
        yield "new", len(comparison.new)


def _ratios(cell: CellComparison, metrics: list[str]) -> Iterator[tuple[str, str, str]]:
    """Text, kind and what to sort by, a metric."""
    found = {finding.metric: finding for finding in cell.findings}
    for metric in metrics:
        finding = found.get(metric)
        decided = finding is not None and finding.decision is not None
        text = words.ratio(finding) if finding and decided else "\N{EN DASH}"
        kind = _KINDS[finding.verdict] if finding else ""
        yield text, kind, repr(finding.decision.ratio) if finding and finding.decision else ""


def _environments(base: Evidence, candidate: Evidence) -> Iterator[tuple[str, str, str]]:
    """Key, and its value on both sides; environment, then protocol."""
    for part in ("environment", "spec"):
        sides = [side.manifest[part] if side.manifest else {} for side in (base, candidate)]
        for key in dict.fromkeys([*sides[0], *sides[1]]):
            values = [_plain(side.get(key)) for side in sides]
            if any(values):
                yield key, values[0], values[1]


def _plain(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
