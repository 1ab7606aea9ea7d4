"""Ratios of speed and memory between two models that one machine measured, with their intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from dig_bench.cell import Key, Row
from dig_bench.compare.decision import MIN_PROCESSES, Decision, decide
from dig_bench.compare.evidence import Evidence
from dig_bench.results.metrics import Threshold

Basis = Literal["processes", "samples", "range"]
"""Source of an interval: the spread between processes, the spread of the timing samples within them, or the range of
values that every process repeats."""

POWER_CAP = "sw_power_cap"
"""Throttle reason of a GPU that runs at its power limit."""

_NONE_NEGLIGIBLE = Threshold(relative=0.0)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """The other model's latency or memory over DiG's: above 1 DiG is faster or needs less.

    The interval has 95 % confidence; it is 0 to infinity when its width is unknown.
    """

    value: float
    low: float
    high: float
    basis: Basis
    processes: tuple[int, int]
    """Numbers of processes: DiG's, the other model's."""
    capped: tuple[bool, bool] = (False, False)
    """True if any process ran at the GPU's power limit: DiG's, the other model's."""
    spread: float | None = None
    """Standard deviation between processes of the logarithm of the ratio of one process a side; None without three."""


def speed(evidence: Evidence, key: Key) -> float | None:
    """Images per second, from the geometric mean of the processes; None without a trustworthy latency."""
    latencies_ms = evidence.values(key, "latency")
    return key.batch_size * 1e3 / statistics.geometric_mean(latencies_ms) if latencies_ms else None


def speed_ratio(evidence: Evidence, ours: Key, theirs: Key) -> Ratio | None:
    """Ratio of latencies; None when either model has no trustworthy one.

    With at least three processes on each side, the interval comes from their spread, as in `compare`. With fewer it
    comes from the intervals of the medians, which say nothing about other processes: the method of variance estimates
    recovery (Zou and Donner, doi 10.1002/sim.3095) combines their ends on a logarithmic scale. The interval of several
    processes is the hull of theirs.
    """
    latencies = [evidence.values(key, "latency") for key in (ours, theirs)]
    if not all(latencies):
        return None
    capped = (is_capped(evidence.rows[ours]), is_capped(evidence.rows[theirs]))
    if min(map(len, latencies)) >= MIN_PROCESSES:
        found = _decided(decide(latencies[0], latencies[1], threshold=_NONE_NEGLIGIBLE), "processes")
        variances = (statistics.variance(map(math.log, side)) for side in latencies)
        return replace(found, capped=capped, spread=math.sqrt(sum(variances)))
    (our_mean, our_below, our_above), (their_mean, their_below, their_above) = (
        _log_interval(evidence.rows[key], values) for key, values in zip((ours, theirs), latencies, strict=True)
    )
    difference = their_mean - our_mean
    return Ratio(
        value=math.exp(difference),
        low=math.exp(difference - math.hypot(their_below, our_above)),
        high=_exp(difference + math.hypot(their_above, our_below)),
        basis="samples",
        processes=(len(latencies[0]), len(latencies[1])),
        capped=capped,
    )


def memory_ratio(evidence: Evidence, ours: Key, theirs: Key) -> Ratio | None:
    """Ratio of peak allocated memory, with the range over all processes; None when either model has none."""
    our_mib, their_mib = (evidence.values(key, "memory") for key in (ours, theirs))
    if not our_mib or not their_mib:
        return None
    return _decided(decide(our_mib, their_mib, threshold=_NONE_NEGLIGIBLE, repeatable=True), "range")


def is_capped(rows: Iterable[Row]) -> bool:
    """Returns true if a measured row ran at the GPU's power limit."""
    return any(
        POWER_CAP in f"{row.timing_throttle_reasons} {row.throttle_reasons}".split() for row in rows if row.measured
    )


def _decided(decision: Decision, basis: Basis) -> Ratio:
    return Ratio(
        value=decision.ratio,
        low=decision.ratio_low,
        high=decision.ratio_high,
        basis=basis,
        processes=(decision.base_processes, decision.candidate_processes),
    )


def _log_interval(rows: Iterable[Row], latencies: list[float]) -> tuple[float, float, float]:
    """Mean logarithm, and how far the interval reaches below and above it."""
    mean = math.fsum(map(math.log, latencies)) / len(latencies)
    ends = list(_ends(rows))
    if None in ends:
        return mean, math.inf, math.inf
    lows, highs = zip(*(end for end in ends if end is not None), strict=True)
    return mean, max(mean - math.log(min(lows)), 0.0), max(math.log(max(highs)) - mean, 0.0)


def _ends(rows: Iterable[Row]) -> Iterator[tuple[float, float] | None]:
    """Ends of the interval of each process that has a latency; None where the interval is missing or broken."""
    for row in rows:
        if row.measured and row.status != "throttled":
            low, high = row.latency_ms_ci_low, row.latency_ms_ci_high
            yield (low, high) if low is not None and high is not None and 0 < low <= high < math.inf else None


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
