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
from dig_bench.render.labels import number_of_processes, power_limit, processes
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


def measured(claim: Claim, finding: Finding) -> str:
    """The measured value with its interval, and what it rests on: `5.66 (5.60 to 5.71); one process`."""
    return f"{value(claim, finding.measured)}; {basis(finding)}"


def basis(finding: Finding) -> str:
    """Processes, the side that alone ran at the power limit, and what would settle an undecided verdict."""
    to_decide = f"to decide: {finding.to_decide}" if finding.to_decide else ""
    return "; ".join(filter(None, (evidence(finding), power(finding), to_decide)))


def value(claim: Claim, found: Ratio | Crossover) -> str:
    """The measured value, with its interval in brackets where it has one."""
    if isinstance(found, Crossover):
        return _crossover(found)
    if claim.quantity != "memory_saving":
        return significant(found.value) if found.low == found.high else _interval(found)
    saved, low, high = (_saved(value) for value in (found.value, found.low, found.high))
    return saved if low == high else f"{saved} ({low} to {high})"


def evidence(finding: Finding) -> str:
    """`3 processes`, `one process`; for a crossover the fewest at a resolution, `one process at each resolution`."""
    found = finding.measured
    if isinstance(found, Ratio):
        return processes(*found.processes)
    counts = {ratio.processes for _, ratio in found.curve}
    if len(counts) == 1:
        return f"{processes(*counts.pop())} at each resolution"
    return f"as few as {number_of_processes(min(map(min, counts)))} at a resolution"


def power(finding: Finding) -> str:
    """The side that alone ran at the power limit; empty for neither, for both, and for memory."""
    found = finding.measured
    if isinstance(found, Crossover):
        pxs = [f"{px}" for px, ratio in found.curve if ratio.capped[0] != ratio.capped[1]]
        return f"one side alone at the power limit at {', '.join(pxs)} px" if pxs else ""
    ours, theirs = (log_line(name) for name in (finding.ours.name, finding.theirs))
    return power_limit(ours, theirs, is_ours_capped=found.capped[0], is_theirs_capped=found.capped[1])


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
        _speedup(found),
        significant(found.paper.memory_gb),
        significant(here.memory_gb),
        significant(found.paper.memory_ratio),
        f"{significant(here.memory_ratio)}; {processes(*found.saving.processes)}" if found.saving else MISSING,
    )


def point_basis(ratio: Ratio | None) -> str:
    """Processes of a point's ratio, and the side that alone ran at the power limit; empty without a ratio."""
    if ratio is None:
        return ""
    capped = power_limit("DiG", "this model", is_ours_capped=ratio.capped[0], is_theirs_capped=ratio.capped[1])
    return "; ".join(filter(None, (processes(*ratio.processes), capped)))


def _speedup(found: Point) -> str:
    return f"{_interval(found.speedup)}; {point_basis(found.speedup)}" if found.speedup else MISSING


def _interval(ratio: Ratio | None) -> str:
    return interval(ratio.value, ratio.low, ratio.high) if ratio else MISSING


def _crossover(found: Crossover) -> str:
    """Names the crossover where the intervals separate a resolution, else a range, within what was measured."""
    first, last = found.curve[0][0], found.curve[-1][0]
    if math.isinf(found.low):
        text = f"slower at {last} px, the largest resolution measured"
    elif math.isinf(found.high):
        text = f"indistinguishable at {_unsettled(found)}: a crossover is not settled"
    elif found.low == found.high:
        at_all = " (all that were measured)" if found.high == first else ""
        text = f"faster from {found.high:.0f} px on{at_all}"
    else:
        text = f"faster from {found.high:.0f} px on, perhaps from {found.low:.0f} px on"
    return f"{text}; not measured at {', '.join(map(str, found.missing))} px" if found.missing else text


def _unsettled(found: Crossover) -> str:
    return f"{', '.join(str(px) for px, ratio in found.curve if ratio.low <= 1 <= ratio.high)} px"


def _saved(ratio: float) -> str:
    """`75.7 % less`, `40.4 % more`, from the other model's memory over DiG's."""
    if not 0 < ratio < math.inf:
        return MISSING
    share = 1 - 1 / ratio
    return f"{significant(abs(100 * share))} % {'less' if share >= 0 else 'more'}"
