"""Findings: one metric of one cell each, and the error rate of all of them together."""

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
    """One metric of one cell."""

    metric: str
    verdict: Verdict
    """The decision's, unless it holds for this figure alone and not among all that were compared."""
    decision: Decision | None
    """None when a side has no figure."""
    threshold: Threshold
    base: tuple[float, ...]
    """Figures of processes."""
    candidate: tuple[float, ...]
    note: str = ""
    """Why it is undecided, when the interval does not tell."""

    @property
    def suspected(self) -> bool:
        """By itself beyond the threshold."""
        return self.decision is not None and self.decision.verdict == "slower"


def find(keys: Sequence[Key], base: Evidence, candidate: Evidence, settings: Settings) -> dict[Key, list[Finding]]:
    """Of each cell that both sides measured, a finding for every metric of which the base has a figure.

    Errors are held for all of them together: of those whose processes vary, one is slower only if Holm's procedure says
    so at the settings' rate of false alarms; likewise faster. What is beyond its threshold by itself but not among so
    many is undecided. No correction is needed for `same`: to call a whole comparison fine, every figure has to pass, so
    that a slow one passes no more often than it would alone.
    """
    found: dict[Key, list[Finding]] = {}
    for metric in settings.metrics:
        sides = {key: (base.figures(key, metric), candidate.figures(key, metric)) for key in keys}
        shared = None if METRICS[metric].repeatable else shared_noise(list(sides.values()))
        for key, (before, after) in sides.items():
            # A figure that only the candidate has, the energy on a newer driver say, is no change of it.
            if before:
                found.setdefault(key, []).append(_finding(key, metric, before, after, settings, shared))
    flat = [finding for findings in found.values() for finding in findings]
    for verdict, p_value in _DIRECTIONS.items():
        _hold_error(flat, verdict, p_value, settings.false_alarms)
    kept = iter(flat)
    return {key: [next(kept) for _ in findings] for key, findings in found.items()}


def holm(p_values: Sequence[float], rate: float) -> list[bool]:
    """Which of the hypotheses fall at a family-wise error of `rate` (Holm 1979), in their order."""
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


def _hold_error(
    findings: list[Finding], verdict: Verdict, p_value: Callable[[Decision], float | None], rate: float
) -> None:
    """Turns into undecided, in place, those that are beyond the threshold by themselves only."""
    family = {
        index: p
        for index, finding in enumerate(findings)
        if finding.decision and (p := p_value(finding.decision)) is not None
    }
    rejected = dict(zip(family, holm(list(family.values()), rate), strict=True))
    for index, stands in rejected.items():
        if findings[index].verdict == verdict and not stands:
            note = f"{verdict} by itself, but not beyond chance among {len(family)} figures: needs more processes"
            findings[index] = replace(findings[index], verdict="undecided", note=note)


def _finding(
    key: Key, metric: str, before: Sequence[float], after: Sequence[float], settings: Settings, shared: Noise | None
) -> Finding:
    threshold = settings.threshold(key, metric)
    sides = {"base": tuple(before), "candidate": tuple(after)}
    if not after:
        note = "no usable figure in the candidate"
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
    note = f"{len(before)} and {len(after)} processes: {MIN_PROCESSES} a side are needed" if few else ""
    return Finding(metric=metric, verdict=decision.verdict, decision=decision, threshold=threshold, note=note, **sides)
