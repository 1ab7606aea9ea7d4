"""The decision about one figure of one cell, from the processes of both sides.

The unit of evidence is the process, a fresh process: iterations within one share its memory layout, its clocks and its
autotuning, so that however many there are, they say little about the next process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import fdtri, stdtr, stdtrit

from dig_bench.results.metrics import Threshold

Verdict = Literal["same", "faster", "slower", "undecided"]
"""`faster` and `slower` read as better and worse: of every figure compared, less is better."""

MIN_PROCESSES = 3
"""A side. With fewer, the spread between processes is a guess."""

CONFIDENCE = 0.95

CALIBRATED_DEGREES = 10.0
"""Weight of a known process noise, in degrees of freedom, when whoever knows it does not say: that of 11 processes."""

_CONTRADICTION = 0.999
"""Quantile of the F distribution above which the processes' own spread contradicts a known noise."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`ratio` is candidate over base, of geometric means; its interval is two-sided, of `confidence`.

    `slower`: the whole interval lies beyond the threshold; `same`: all of it lies within; `faster`: all of it lies
    beyond on the other side; `undecided`: it holds a threshold, or there are too few processes (then it is 0 to
    infinity).
    """

    verdict: Verdict
    ratio: float
    ratio_low: float
    ratio_high: float
    confidence: float
    base_processes: int
    candidate_processes: int
    p_slower: float | None = None
    """Probability of processes as different as these if the candidate were slower by no more than the threshold; None
    when nothing is left to chance (`repeatable`) or there are too few processes."""
    p_faster: float | None = None
    """Likewise for faster."""


def decide(
    base: Sequence[float],
    candidate: Sequence[float],
    *,
    threshold: Threshold,
    process_noise: float | None = None,
    noise_degrees: float = CALIBRATED_DEGREES,
    repeatable: bool = False,
    confidence: float = CONFIDENCE,
) -> Decision:
    """Compares figures of processes (each the median of one process), one at least a side, positive and finite.

    Without `process_noise`, by Welch's t interval of the difference of mean logarithms. `process_noise`, the standard
    deviation of log figures between processes of the same code, known from `noise_degrees` degrees of freedom, is pooled
    with the spread of these processes, as a prior variance is in Smyth's moderated t statistic (doi
    10.2202/1544-6115.1027). When their spread contradicts it by an F test, it is left out.

    `repeatable` is for figures that are the same in every process that does the same, such as allocated memory: one
    process a side is enough, and the interval is the range of all ratios of a candidate's figure to a base's.
    """
    for figure in (*base, *candidate):
        if not 0 < figure < math.inf:
            raise ValueError(f"a figure is positive and finite, not {figure}")
    if not base or not candidate:
        raise ValueError("no processes to compare")
    logs = [[math.log(figure) for figure in side] for side in (base, candidate)]
    base_mean, candidate_mean = (math.fsum(side) / len(side) for side in logs)
    difference = candidate_mean - base_mean
    limit = threshold.log_limit(math.exp(base_mean))
    p_slower = p_faster = None
    if repeatable:
        low, high = min(logs[1]) - max(logs[0]), max(logs[1]) - min(logs[0])
    elif min(map(len, logs)) < MIN_PROCESSES:
        low, high = -math.inf, math.inf
    else:
        error, degrees = _standard_error(logs[0], logs[1], process_noise, noise_degrees)
        margin = float(stdtrit(degrees, (1 + confidence) / 2)) * error
        low, high = difference - margin, difference + margin
        p_slower = _tail(difference - limit, error, degrees)
        p_faster = _tail(-difference - limit, error, degrees)
    return Decision(
        verdict=_verdict(low, high, limit),
        ratio=_exp(difference),
        ratio_low=_exp(low),
        ratio_high=_exp(high),
        confidence=confidence,
        base_processes=len(base),
        candidate_processes=len(candidate),
        p_slower=p_slower,
        p_faster=p_faster,
    )


def _verdict(low: float, high: float, limit: float) -> Verdict:
    if low > limit:
        return "slower"
    if high < -limit:
        return "faster"
    return "same" if -limit <= low and high <= limit else "undecided"


def _standard_error(
    base: Sequence[float], candidate: Sequence[float], noise: float | None, noise_degrees: float
) -> tuple[float, float]:
    """Of the difference of the means, and its degrees of freedom."""
    counts = len(base), len(candidate)
    squares = _squares(base), _squares(candidate)
    degrees = sum(counts) - 2
    if noise is not None:
        known = noise**2 * noise_degrees
        contradicted = sum(squares) / degrees > noise**2 * fdtri(degrees, noise_degrees, _CONTRADICTION)
        if not contradicted:
            variance = (known + sum(squares)) / (noise_degrees + degrees)
            return math.sqrt(variance * (1 / counts[0] + 1 / counts[1])), noise_degrees + degrees
    parts = [square / (count - 1) / count for square, count in zip(squares, counts, strict=True)]
    total = sum(parts)
    if total == 0:
        return 0.0, degrees
    welch = total**2 / sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
    return math.sqrt(total), welch


def _squares(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _tail(excess: float, error: float, degrees: float) -> float:
    """Probability of an excess as large as this by chance."""
    if error == 0:
        return 0.0 if excess > 0 else 1.0
    return float(stdtr(degrees, -excess / error))


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
