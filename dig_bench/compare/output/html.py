"""A self-contained HTML page. The template escapes everything that comes from a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from dig_bench.compare.cell_comparison import CellComparison
from dig_bench.compare.comparison import Comparison
from dig_bench.compare.decision import Verdict
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.output import words
from dig_bench.compare.output.figures import plots
from dig_bench.render.levels import level_of
from dig_bench.render.numbers import MISSING
from dig_bench.render.page import fill
from dig_bench.results.metrics import METRICS

_ORDER: list[Verdict | None] = ["slower", "undecided", "faster", None, "same"]


def render(comparison: Comparison) -> str:
    metrics = words.metrics_shown(comparison)
    cells = sorted(comparison.cells, key=lambda cell: _ORDER.index(cell.verdict))
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
        plots=list(plots(comparison)),
        metrics=[METRICS[metric].title for metric in metrics],
        records=[
            (level_of(cell.verdict).name, words.label(cell), cell, list(_ratios(cell, metrics))) for cell in cells
        ],
        reasons=words.reasons,
        labels=sorted({words.label(cell) for cell in cells}),
        models=sorted({cell.key.model for cell in cells}),
        environments=list(_environments(comparison.base, comparison.candidate)),
    )


def _tiles(comparison: Comparison) -> Iterator[tuple[str, int]]:
    """Yields a word and the number of cells."""
    for verdict in ("slower", "undecided", "faster", "same"):
        yield words.COUNTED[verdict], sum(cell.verdict == verdict for cell in comparison.cells)
    if comparison.new:
        yield words.COUNTED["new"], len(comparison.new)


def _ratios(cell: CellComparison, metrics: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yields the text, the CSS class and the sort key for each metric."""
    found = {finding.metric: finding for finding in cell.findings}
    for metric in metrics:
        finding = found.get(metric)
        if finding is None:
            yield MISSING, "", ""
        else:
            sort_key = repr(finding.decision.ratio) if finding.decision else ""
            yield words.ratio(finding) or MISSING, level_of(finding.verdict).name, sort_key


def _environments(base: Evidence, candidate: Evidence) -> Iterator[tuple[str, str, str]]:
    """Yields each condition with its value on both sides: the environment, then the protocol."""
    for part in ("environment", "spec"):
        sides = [side.manifest[part] if side.manifest else {} for side in (base, candidate)]
        for key in dict.fromkeys([*sides[0], *sides[1]]):
            values = [_plain(side.get(key)) for side in sides]
            if any(values):
                yield key, values[0], values[1]


def _plain(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
