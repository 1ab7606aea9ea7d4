"""Findings: the decision about each metric of each cell, with the error rate controlled over all of them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dig_bench.cell import Key
from dig_bench.compare.calibration import Noise
from dig_bench.compare.decision import MIN_PROCESSES, Decision, Verdict, decide
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.noise import shared_noise
from dig_bench.compare.settings import Settings
from dig_bench.results.metrics import METRICS, Threshold


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The verdict on one metric of one cell."""

    metric: str
    verdict: Verdict
    """Verdict of the decision, or `undecided` where the decision holds on its own but not among all findings."""
    decision: Decision | None
    """None when a side has no value."""
    threshold: Threshold
    base: tuple[float, ...]
    """Values of the base's processes."""
    candidate: tuple[float, ...]
    """Values of the candidate's processes."""
    note: str = ""
    """Reason why it is undecided, where the interval does not show it."""

    @property
    def suspected(self) -> bool:
        """True if the value is beyond its threshold when the metric is considered on its own."""
        return self.decision is not None and self.decision.verdict == "slower"


def find(keys: Sequence[Key], base: Evidence, candidate: Evidence, settings: Settings) -> dict[Key, list[Finding]]:
    """Decides about every metric of these cells for which the base has a value. Both sides must have measured them.

    Holm's procedure limits the error rate over all values that vary between processes: at most the share
    `settings.false_alarms` of comparisons without a true change call any value slower, or any faster. A value beyond
    its threshold that fails the procedure is undecided. `same` needs no correction: a comparison is fine only if every
    value passes, so a slow one passes no more often than it would alone.
    """
    found: dict[Key, list[Finding]] = {}
    for metric in settings.metrics:
        sides = {key: (base.values(key, metric), candidate.values(key, metric)) for key in keys}
        shared = None if METRICS[metric].repeatable else shared_noise(list(sides.values()))
        for key, (before, after) in sides.items():
            # A value that only the candidate has is no change, for example the energy with a newer driver.
            if before:
                found.setdefault(key, []).append(_finding(key, metric, before, after, settings, shared))
    flat = [finding for findings in found.values() for finding in findings]
    for verdict, p_value in _DIRECTIONS.items():
        _limit_errors(flat, verdict, p_value, settings.false_alarms)
    kept = iter(flat)
    return {key: [next(kept) for _ in findings] for key, findings in found.items()}


def holm(p_values: Sequence[float], rate: float) -> list[bool]:
    """Returns which hypotheses are rejected at a family-wise error rate of `rate` (Holm 1979), in their order."""
    rejected = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > rate / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected


_DIRECTIONS: dict[Verdict, Callable[[Decision], float | None]] = {
    "slower": lambda decision: decision.p_slower,
    "faster": lambda decision: decision.p_faster,
}


def _limit_errors(
    findings: list[Finding], verdict: Verdict, p_value: Callable[[Decision], float | None], rate: float
) -> None:
    """Makes those findings undecided, in place, whose verdict holds on its own but not among all of them."""
    family = {
        index: p
        for index, finding in enumerate(findings)
        if finding.decision and (p := p_value(finding.decision)) is not None
    }
    rejected = dict(zip(family, holm(list(family.values()), rate), strict=True))
    for index, stands in rejected.items():
        if findings[index].verdict == verdict and not stands:
            note = f"{verdict} on its own, but within chance among {len(family)} values: needs more processes"
            findings[index] = replace(findings[index], verdict="undecided", note=note)


def _finding(
    key: Key, metric: str, before: Sequence[float], after: Sequence[float], settings: Settings, shared: Noise | None
) -> Finding:
    threshold = settings.threshold(key, metric)
    sides = {"base": tuple(before), "candidate": tuple(after)}
    if not after:
        note = "no usable value in the candidate"
        return Finding(metric=metric, verdict="undecided", decision=None, threshold=threshold, note=note, **sides)
    noise = settings.noise(key, metric) or shared
    decision = decide(
        before,
        after,
        threshold=threshold,
        process_noise=noise.sd if noise else None,
        noise_degrees=noise.degrees if noise else 0.0,
        repeatable=METRICS[metric].repeatable,
        confidence=settings.confidence,
    )
    few = min(len(before), len(after)) < MIN_PROCESSES and not METRICS[metric].repeatable
    note = f"{len(before)} and {len(after)} processes: needs {MIN_PROCESSES} per side" if few else ""
    return Finding(metric=metric, verdict=decision.verdict, decision=decision, threshold=threshold, note=note, **sides)
