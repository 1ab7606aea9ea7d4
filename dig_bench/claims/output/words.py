"""What all formats say, in the same words."""

from __future__ import annotations

import math
from collections import Counter

from dig_bench.claims.assessment import Assessment
from dig_bench.claims.judgement import Claim, Finding, Judgement, Reading
from dig_bench.claims.measured import Ratio
from dig_bench.claims.points import Panel, Point
from dig_bench.claims.verdict import Crossover, Verdict
from dig_bench.compare.output.words import clean

MISSING = "\N{EN DASH}"

VERDICTS: tuple[Verdict, ...] = ("exceeded", "reproduced", "undecided", "not reproduced", "not measured")


def claimed(claim: Claim, reading: Reading) -> str:
    """`2.5 times as fast`, `75.7 % less memory`, `from 512 px on`."""
    match claim.quantity:
        case "speedup":
            return f"{_number(reading.value)} times as fast"
        case "memory_saving":
            return f"{_saved(reading.value)} memory"
        case "crossover_px":
            return f"faster from {reading.value:.0f} px on"


def measured(claim: Claim, found: Ratio | Crossover) -> str:
    """The same of what was found, with its interval in brackets where it has one."""
    if isinstance(found, Crossover):
        return _crossover(found)
    if claim.quantity == "memory_saving":
        text, low, high = (_saved(value) for value in (found.value, found.low, found.high))
    else:
        text, low, high = (_number(value) for value in (found.value, found.low, found.high))
    return text if found.low == found.high else f"{text} ({low} to {high})"


def evidence(claim: Claim, found: Ratio | Crossover) -> str:
    """`3 and 3 processes`; of a crossover, the ratio at the claimed resolution."""
    if isinstance(found, Crossover):
        there = dict(found.curve).get(claim.resolution_px)
        return f"{_interval(there)} times as fast at {claim.resolution_px} px" if there else ""
    ours, theirs = found.processes
    return f"{ours} and {theirs} processes" if max(ours, theirs) > 1 else "1 process each"


def tolerance(assessment: Assessment) -> str:
    """What the verdicts mean, in a sentence or two."""
    share = f"{100 * assessment.tolerance:g} %"
    return (
        f"Reproduced: the 95 % interval of the measured ratio lies nowhere below the claimed one by more than {share}; "
        f"exceeded: all of it lies above by more than {share}; not reproduced: all of it lies below by more; "
        "undecided: it holds that limit. Memory is judged by the ratio of memories. A crossover has no tolerance: DiG "
        "has to be faster at the claimed resolution and at every larger one that was measured."
    )


def headline(assessment: Assessment) -> str:
    """`2 exceeded, 1 not reproduced, 2 not measured`."""
    counts = Counter(judgement.verdict for judgement in assessment.judgements)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])


def conditions(finding: Finding) -> str:
    return clean(f"{finding.conditions.pair}: {finding.conditions}")


def departures(finding: Finding) -> str:
    """How far from the paper's conditions; empty for none that is known."""
    return clean("; ".join(finding.departures))


def no_finding(judgement: Judgement) -> str:
    return clean("; ".join(judgement.missing)) or "no pair of rows that differ in nothing but the model"


def panel(found: Panel) -> str:
    """`train, tf32, batch 1, CUDA graph, NVIDIA H100 80GB HBM3; DiG by fla`."""
    return clean(f"{found.conditions}; DiG by {found.conditions.ours.partition('@')[2]}")


def point(found: Point) -> tuple[str, ...]:
    """Of POINT_COLUMNS."""
    here = found.measured
    status = MISSING if found.status == "missing" else found.status
    return (
        clean(found.name),
        f"{found.resolution_px} px",
        number(found.paper.images_per_s),
        number(here.images_per_s) if here.images_per_s else status,
        number(found.paper.speedup),
        _interval(found.speedup),
        number(found.paper.memory_gb),
        number(here.memory_gb),
        number(found.paper.memory_ratio),
        number(here.memory_ratio),
    )


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


def number(value: float | None) -> str:
    return MISSING if value is None else _number(value)


def _interval(ratio: Ratio | None) -> str:
    if ratio is None:
        return MISSING
    return f"{_number(ratio.value)} ({_number(ratio.low)} to {_number(ratio.high)})"


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
    """Of a ratio of memories, theirs over ours: `75.7 % less`, `40.4 % more`."""
    if not 0 < ratio < math.inf:
        return MISSING
    share = 1 - 1 / ratio
    return f"{abs(100 * share):.1f} % {'less' if share >= 0 else 'more'}"


def _number(value: float) -> str:
    """Three significant digits: 5.66, 12,346."""
    if math.isinf(value):
        return "∞"
    if not 1e-3 <= abs(value) < 1e15:
        return f"{value:.2e}" if value else "0"
    return f"{value:,.{max(2 - math.floor(math.log10(abs(value))), 0)}f}"
