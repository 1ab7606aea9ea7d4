"""Rows that the paper's claims are judged by, and shortcuts to their judgements."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dig_bench.cell import Row
from dig_bench.claims.assessment import Assessment, assess
from dig_bench.claims.judgement import Judgement
from dig_bench.claims.ratios import Ratio
from report_rows import row, write_results


def ratio(value: float, low: float | None = None, high: float | None = None) -> Ratio:
    low, high = low or value, high or value
    return Ratio(value=value, low=low, high=high, basis="processes", processes=(3, 3))


def timed(name: str, px: int, latency_ms: float, width: float = 0.0, **fields: object) -> Row:
    """A training row. The interval of its median has the half-width `width`, a share of the median."""
    ends = {"latency_ms_ci_low": latency_ms / (1 + width), "latency_ms_ci_high": latency_ms * (1 + width)}
    fixed = {"mode": "train", "precision": "tf32", "status": "ok", **fields}
    return row(name, px, latency_ms_median=latency_ms, **{**ends, **fixed})  # type: ignore[arg-type]


def assessed(folder: Path, rows: Iterable[Row]) -> Assessment:
    """Writes the rows as a results folder and judges the claims by it."""
    return assess([write_results(folder / "results", rows)])


def judged(assessment: Assessment, claim_id: str) -> Judgement:
    return next(judgement for judgement in assessment.judgements if judgement.claim.id == claim_id)
