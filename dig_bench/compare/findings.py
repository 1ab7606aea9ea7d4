"""Findings: the decision about each metric of each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dig_bench.cell import Key
from dig_bench.compare.calibration import Noise
from dig_bench.compare.decision import DEFAULT_PROCESSES, MIN_PROCESSES, decide
from dig_bench.compare.error_rate import limit_errors
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.finding import Finding
from dig_bench.compare.noise import shared_noise
from dig_bench.compare.settings import Settings
from dig_bench.results.metrics import METRICS


def find(keys: Sequence[Key], base: Evidence, candidate: Evidence, settings: Settings) -> dict[Key, list[Finding]]:
    """Decides about every metric of these cells for which the base has a value. Both sides must have measured them.

    The error rate is limited over all values together, see `limit_errors`. `same` needs no correction: a comparison is
    fine only if every value passes, so a slow one passes no more often than it would alone.
    """
    flat: list[tuple[Key, Finding]] = []
    for metric in settings.metrics:
        sides = {key: (base.values(key, metric), candidate.values(key, metric)) for key in keys}
        shared = None if METRICS[metric].repeatable else shared_noise(list(sides.values()))
        # A value that only the candidate has is no change, for example the energy with a newer driver.
        flat += [
            (key, _finding(key, metric, before, after, settings, shared))
            for key, (before, after) in sides.items()
            if before
        ]
    found: dict[Key, list[Finding]] = {}
    for (key, _), finding in zip(flat, limit_errors([each for _, each in flat], settings.false_alarms), strict=True):
        found.setdefault(key, []).append(finding)
    return found


def _finding(
    key: Key, metric: str, before: Sequence[float], after: Sequence[float], settings: Settings, shared: Noise | None
) -> Finding:
    undecided = Finding(
        metric=metric,
        verdict="undecided",
        decision=None,
        threshold=settings.threshold(key, metric),
        base=tuple(before),
        candidate=tuple(after),
    )
    if not after:
        return replace(undecided, note="no usable value in the candidate")
    noise = settings.noise(key, metric) or shared
    repeatable = METRICS[metric].repeatable
    decision = decide(
        before,
        after,
        threshold=undecided.threshold,
        process_noise=noise.sd if noise else None,
        noise_degrees=noise.degrees if noise else 0.0,
        repeatable=repeatable,
        confidence=settings.confidence,
    )
    few = not repeatable and min(len(before), len(after)) < MIN_PROCESSES
    counts = f"{len(before)} and {len(after)} processes: needs {MIN_PROCESSES} per side, better {DEFAULT_PROCESSES}"
    return replace(undecided, verdict=decision.verdict, decision=decision, note=counts if few else "")
