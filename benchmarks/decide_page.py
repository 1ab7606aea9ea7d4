"""The proof as a page and as a table: what was found, beside what had been predicted."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from decide_prediction import Rates
from decide_trial import Trial, latency

from dig_bench.compare.calibrate import Findings


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *(f"| {' | '.join(row)} |" for row in rows), ""]


def percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def summary(trials: Sequence[Trial], predicted: Mapping[float, Rates], found: Findings, about: str) -> Iterator[str]:
    """The page."""
    yield from ["# Does `dig-bench compare` decide rightly?", "", *about.splitlines(), ""]
    noises = [spread.noise.sd for spread in found.spreads if spread.metric == "latency"]
    yield f"Noise of latency between processes of the same code, as `calibrate` found it in {len(noises)} cells: median "
    yield f"{percent(statistics.median(noises))}, {percent(min(noises))} to {percent(max(noises))}."
    yield ""
    yield from ["## The code against itself", ""]
    same = [trial for trial in trials if trial.share == 0]
    red = sum(bool(trial.comparison.regressions) for trial in same)
    cells = sum(len(trial.comparison.cells) for trial in same)
    verdicts = [latency(cell) for trial in same for cell in trial.comparison.cells]
    cleared = sum("did not confirm" in note for trial in same for cell in trial.comparison.cells for note in cell.notes)
    yield from table(
        ["comparisons", "red", "predicted red", "cells", "the same", "undecided", "faster", "suspicions not confirmed"],
        [
            [
                str(len(same)),
                str(red),
                percent(predicted[0.0].red),
                str(cells),
                *(str(verdicts.count(verdict)) for verdict in ("same", "undecided", "faster")),
                str(cleared),
            ]
        ],
    )
    yield from ["## A planted slow-down, in every cell", ""]
    rows = []
    for share in sorted({trial.share for trial in trials if trial.share}):
        of_share = [trial for trial in trials if trial.share == share]
        count = sum(len(trial.comparison.cells) for trial in of_share)
        caught = sum(len(trial.caught) for trial in of_share)
        missed = sum(len(trial.missed) for trial in of_share)
        ratios = [
            finding.decision.ratio
            for trial in of_share
            for cell in trial.comparison.cells
            for finding in cell.findings
            if finding.metric == "latency" and finding.decision
        ]
        rows.append(
            [
                percent(share),
                f"{statistics.median(ratios):.3f}",
                f"{len(of_share)} x {count // len(of_share)}",
                f"{caught} ({percent(caught / count)})",
                percent(predicted[share].caught),
                f"{missed} ({percent(missed / count)})",
                percent(predicted[share].called_the_same),
                f"{sum(bool(trial.comparison.regressions) for trial in of_share)} of {len(of_share)}",
                percent(predicted[share].red),
            ]
        )
    yield from table(
        [
            "planted",
            "median ratio",
            "cells",
            "caught",
            "predicted",
            "called the same",
            "predicted",
            "red comparisons",
            "predicted",
        ],
        rows,
    )


def details(trials: Sequence[Trial]) -> Iterator[dict[str, Any]]:
    """One line of the CSV a cell of a comparison."""
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
