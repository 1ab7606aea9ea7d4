"""The proof as a page and as a table: what the comparisons found, beside the prediction."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prediction import Rates
from trial import Trial, latency

from dig_bench.compare.calibrate import Calibrated
from dig_bench.render.markdown import table

PLANTED_COLUMNS = (
    "planted",
    "median ratio",
    "cells",
    "caught",
    "predicted",
    "called the same",
    "predicted",
    "red comparisons",
    "predicted",
)


def percent(value: float) -> str:
    """0.00139 -> `0.139 %`."""
    return f"{100 * value:.3g} %"


def summary(trials: Sequence[Trial], predicted: Mapping[float, Rates], found: Calibrated, about: str) -> Iterator[str]:
    """Yields the lines of the page."""
    yield from ["# Does `dig-bench compare` decide correctly?", "", *about.splitlines(), ""]
    noises = [spread.noise.sd for spread in found.spreads if spread.metric == "latency"]
    yield f"Noise of latency between processes of the same code, from `calibrate`, in {len(noises)} cells: median "
    yield f"{percent(statistics.median(noises))}, {percent(min(noises))} to {percent(max(noises))}."
    yield from ["", "## The code against itself", ""]
    columns = ["comparisons", "red", "predicted red", "cells", "the same", "undecided", "faster"]
    same = [trial for trial in trials if trial.share == 0]
    yield from table([*columns, "suspicions not confirmed"], [_identical(same, predicted[0.0])])
    yield from ["", "## A planted slow-down, in every cell", ""]
    shares = sorted({trial.share for trial in trials if trial.share})
    rows = (_planted([trial for trial in trials if trial.share == share], predicted[share]) for share in shares)
    yield from [*table(PLANTED_COLUMNS, rows), ""]


def _identical(trials: Sequence[Trial], predicted: Rates) -> list[str]:
    cells = [cell for trial in trials for cell in trial.comparison.cells]
    verdicts = [latency(cell) for cell in cells]
    return [
        str(len(trials)),
        str(sum(bool(trial.comparison.regressions) for trial in trials)),
        percent(predicted.red),
        str(len(cells)),
        *(str(verdicts.count(verdict)) for verdict in ("same", "undecided", "faster")),
        str(sum("did not confirm" in note for cell in cells for note in cell.notes)),
    ]


def _planted(trials: Sequence[Trial], predicted: Rates) -> list[str]:
    """Returns the row of one slow-down."""
    cells = [cell for trial in trials for cell in trial.comparison.cells]
    ratios = [
        finding.decision.ratio
        for cell in cells
        for finding in cell.findings
        if finding.metric == "latency" and finding.decision
    ]
    caught, missed = (sum(map(len, sides)) for sides in zip(*((t.caught, t.missed) for t in trials), strict=True))
    return [
        percent(trials[0].share),
        f"{statistics.median(ratios):.3f}",
        f"{len(trials)} x {len(cells) // len(trials)}",
        f"{caught} ({percent(caught / len(cells))})",
        percent(predicted.caught),
        f"{missed} ({percent(missed / len(cells))})",
        percent(predicted.called_the_same),
        f"{sum(bool(trial.comparison.regressions) for trial in trials)} of {len(trials)}",
        percent(predicted.red),
    ]


def details(trials: Sequence[Trial]) -> Iterator[dict[str, Any]]:
    """Yields a line of the CSV for each cell of each comparison."""
    for trial in trials:
        for cell in trial.comparison.cells:
            finding = next((finding for finding in cell.findings if finding.metric == "latency"), None)
            decision = finding.decision if finding else None
            yield {
                "planted": trial.share,
                "comparison": trial.number,
                "cell": str(cell.key),
                "verdict": cell.verdict,
                "latency": latency(cell),
                "ratio": decision and round(decision.ratio, 5),
                "ratio_low": decision and round(decision.ratio_low, 5),
                "ratio_high": decision and round(decision.ratio_high, 5),
                "processes": decision and decision.base_processes,
                "base_ms": " ".join(f"{value:.5g}" for value in finding.base) if finding else "",
                "candidate_ms": " ".join(f"{value:.5g}" for value in finding.candidate) if finding else "",
                "notes": "; ".join(cell.notes),
            }
