"""The decision about one metric of one cell, from the values of both sides' processes.

The unit of evidence is the process. The timing samples of one process share its memory layout, its clocks and its
autotuning: however many there are, they say little about the next process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import fdtri, stdtr, stdtrit

from dig_bench.compare.ranks import rank_p_value, supported
from dig_bench.results.metrics import Threshold

Verdict = Literal["same", "faster", "slower", "undecided"]
"""`faster` and `slower` mean better and worse: less is better for every metric that is compared."""

VERDICTS: tuple[Verdict, ...] = ("slower", "undecided", "faster", "same")
"""The verdicts, worst first."""

MIN_PROCESSES = 3
"""Processes per side. With fewer, the spread between processes is a guess."""

DEFAULT_PROCESSES = 5
"""Processes per side unless the user says otherwise. Noise of two modes separates three a side by chance 16 times as
often as five; see `dig_bench.compare.modes`."""

CONFIDENCE = 0.95

CALIBRATED_DEGREES = 10.0
"""Degrees of freedom of a known process noise, unless the caller says otherwise: those of 11 processes."""

_CONTRADICTION = 0.999
"""Quantile of the F distribution above which the processes' own spread contradicts a known noise."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Ratio of candidate to base, with its interval, and the verdict that follows from them.

    `slower`: the whole interval lies above the threshold. `faster`: the whole interval lies below it. `same`: the whole
    interval lies within the threshold. `undecided`: the interval contains a limit, or there are too few processes (the
    interval is then 0 to infinity).
    """

    verdict: Verdict
    ratio: float
    """Geometric mean of the candidate over that of the base."""
    ratio_low: float
    ratio_high: float
    """Ends of the two-sided interval, at `confidence`."""
    confidence: float
    base_processes: int
    candidate_processes: int
    standard_error: float | None = None
    """Standard error of the logarithm of the ratio, with `degrees` degrees of freedom.

    None, as are the probabilities, for repeatable values and for too few processes.
    """
    degrees: float | None = None
    p_slower: float | None = None
    """Probability of such different processes if the candidate were slower by the threshold at most: that of Student's
    t, or that of the ranks where they are not clear and it is larger."""
    p_faster: float | None = None
    """The same probability for `faster`."""


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
    """Compares the values of two sides' processes. Each process contributes one positive, finite value.

    Without `process_noise`, the interval is Welch's t interval for the difference of mean logarithms. `process_noise`
    is the standard deviation of log values between processes of the same code, known with `noise_degrees` degrees of
    freedom. It is pooled with the spread of these processes like the prior variance in Smyth's moderated t statistic
    (doi 10.2202/1544-6115.1027), unless an F test finds that their spread contradicts it. The probabilities of
    `slower` and `faster` need clear ranks, too, which one process far from the others cannot make.

    `repeatable` values, such as allocated memory, are the same in every process that does the same work: one process
    per side is enough, and the interval is the range of all ratios of a candidate's value to a base's.

    Raises ValueError for an empty side and for values that are not positive and finite.
    """
    for value in (*base, *candidate):
        if not 0 < value < math.inf:
            raise ValueError(f"values must be positive and finite, not {value}")
    if not base or not candidate:
        raise ValueError("there are no processes to compare")
    logs = [[math.log(value) for value in side] for side in (base, candidate)]
    base_mean, candidate_mean = (math.fsum(side) / len(side) for side in logs)
    difference = candidate_mean - base_mean
    limit = threshold.log_limit(math.exp(base_mean))
    error = degrees = p_slower = p_faster = None
    if repeatable:
        low, high = min(logs[1]) - max(logs[0]), max(logs[1]) - min(logs[0])
    elif min(map(len, logs)) < MIN_PROCESSES:
        low, high = -math.inf, math.inf
    else:
        error, degrees = _standard_error(logs[0], logs[1], process_noise, noise_degrees)
        margin = float(stdtrit(degrees, (1 + confidence) / 2)) * error
        low, high = difference - margin, difference + margin
        p_slower = max(_tail(difference - limit, error, degrees), _unclear(logs[0], logs[1], limit))
        p_faster = max(_tail(-difference - limit, error, degrees), _unclear(logs[1], logs[0], limit))
    return Decision(
        verdict=_verdict(low, high, limit),
        ratio=_exp(difference),
        ratio_low=_exp(low),
        ratio_high=_exp(high),
        confidence=confidence,
        base_processes=len(base),
        candidate_processes=len(candidate),
        standard_error=error,
        degrees=degrees,
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
    """Returns the standard error of the difference of the means, and its degrees of freedom."""
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


def _unclear(low: Sequence[float], high: Sequence[float], limit: float) -> float:
    """Returns the rank probability that `high` is above `low` by `limit` at most; 0 where the ranks say it is more."""
    p_value = rank_p_value(low, high, limit)
    return 0.0 if supported(p_value, len(low), len(high)) else p_value


def _squares(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _tail(excess: float, error: float, degrees: float) -> float:
    """Returns the probability that chance alone makes the difference this large."""
    if error == 0:
        return 0.0 if excess > 0 else 1.0
    return float(stdtr(degrees, -excess / error))


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
