"""Texts that all formats share."""

from __future__ import annotations

import math
from collections import Counter
from typing import get_args

from dig_bench.claims.assessment import Assessment
from dig_bench.claims.claim import Claim, Reading
from dig_bench.claims.finding import Finding
from dig_bench.claims.judgement import Judgement
from dig_bench.claims.points import Panel, Point
from dig_bench.claims.ratios import Ratio
from dig_bench.claims.verdict import Crossover, Verdict
from dig_bench.render.numbers import MISSING, interval, significant
from dig_bench.render.text import log_line

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def claimed(claim: Claim, reading: Reading) -> str:
    """`2.50 times as fast`, `75.7 % less memory`, `faster from 512 px on`."""
    match claim.quantity:
        case "speedup":
            return f"{significant(reading.value)} times as fast"
        case "memory_saving":
            return f"{_saved(reading.value)} memory"
        case "crossover_px":
            return f"faster from {reading.value:.0f} px on"


def measured(claim: Claim, found: Ratio | Crossover) -> str:
    """The measured value, with its interval in brackets where it has one."""
    if isinstance(found, Crossover):
        return _crossover(found)
    if claim.quantity != "memory_saving":
        return significant(found.value) if found.low == found.high else _interval(found)
    saved, low, high = (_saved(value) for value in (found.value, found.low, found.high))
    return saved if low == high else f"{saved} ({low} to {high})"


def evidence(claim: Claim, found: Ratio | Crossover) -> str:
    """`3 and 3 processes`; for a crossover the ratio at the claimed resolution."""
    if isinstance(found, Crossover):
        there = dict(found.curve).get(claim.resolution_px)
        return f"{_interval(there)} times as fast at {claim.resolution_px} px" if there else ""
    ours, theirs = found.processes
    return f"{ours} and {theirs} processes" if max(ours, theirs) > 1 else "1 process each"


def tolerance(assessment: Assessment) -> str:
    """The meaning of the verdicts, in a few sentences."""
    share = f"{100 * assessment.tolerance:g} %"
    return (
        f"Reproduced: no part of the measured ratio's 95 % interval lies below the claim by more than {share}; "
        f"exceeded: all of it lies above by more than {share}; not reproduced: all of it lies below by more; "
        "undecided: it contains that limit. Memory is judged by the ratio of memories. A crossover has no tolerance: "
        "DiG has to be faster at the claimed resolution and at every larger one that was measured."
    )


def headline(assessment: Assessment) -> str:
    """`2 exceeded, 1 not reproduced, 2 not measured`."""
    counts = Counter(judgement.verdict for judgement in assessment.judgements)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])


def conditions(finding: Finding) -> str:
    """The two models and the conditions that they share."""
    return log_line(finding.label())


def departures(finding: Finding) -> str:
    """Differences from the paper's conditions."""
    return log_line("; ".join(finding.departures)) or "none known"


def no_finding(judgement: Judgement) -> str:
    """The reason why a claim has no closest finding."""
    return log_line("; ".join(judgement.missing)) or "no two rows differ only in the model"


def panel(found: Panel) -> str:
    """The conditions of a panel."""
    return log_line(found.label())


POINT_COLUMNS = (
    "model",
    "resolution",
    "images/s, paper",
    "here",
    "DiG is faster by, paper",
    "here",
    "GB, paper",
    "here",
    "DiG needs less by, paper",
    "here",
)


def point(found: Point) -> tuple[str, ...]:
    """The texts of POINT_COLUMNS."""
    here = found.measured
    status = MISSING if found.status == "missing" else found.status
    return (
        log_line(found.name),
        f"{found.resolution_px} px",
        significant(found.paper.images_per_s),
        significant(here.images_per_s) if here.images_per_s else status,
        significant(found.paper.speedup),
        _interval(found.speedup),
        significant(found.paper.memory_gb),
        significant(here.memory_gb),
        significant(found.paper.memory_ratio),
        significant(here.memory_ratio),
    )


def _interval(ratio: Ratio | None) -> str:
    return interval(ratio.value, ratio.low, ratio.high) if ratio else MISSING


def _crossover(found: Crossover) -> str:
    if math.isinf(found.value):
        text = "never faster"
    else:
        at_all = " (all that were measured)" if found.value == found.curve[0][0] else ""
        text = f"faster from {found.value:.0f} px on{at_all}"
    if found.low == found.high:
        return text
    latest = f"{found.high:.0f} px" if math.isfinite(found.high) else "never"
    return f"{text}; by the intervals {found.low:.0f} px to {latest}"


def _saved(ratio: float) -> str:
    """`75.7 % less`, `40.4 % more`, from the other model's memory over DiG's."""
    if not 0 < ratio < math.inf:
        return MISSING
    share = 1 - 1 / ratio
    return f"{significant(abs(100 * share))} % {'less' if share >= 0 else 'more'}"
