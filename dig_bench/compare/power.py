"""What a number of processes can tell when the noise between them is known: the rule's chances, before it is applied."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import nctdtr, stdtr, stdtrit

from dig_bench.compare.calibration import Noise
from dig_bench.compare.settings import Settings
from dig_bench.results.metrics import Threshold

LIKELY = 0.9
"""What counts as being able to see a change: nine comparisons in ten do."""

_MAX_CHANGE = 100.0
"""Times slower."""

_CERTAIN = 25.0
"""Standard errors."""


def chance_found(
    change: float,
    *,
    figure: float,
    noise: Noise,
    processes: int,
    threshold: Threshold,
    settings: Settings,
    figures: int = 1,
) -> float:
    """Probability that a cell that is slower by the share `change` is suspected, and confirmed by as many more.

    `figure` is what is usual of the cell, in the metric's unit; `processes` are those of each side; `figures` are judged
    when it is confirmed, of which all others are unchanged. The noise is known to `decide` as a calibration: the
    statistic is then a noncentral t, of the degrees of freedom of both together.
    """
    excess = math.log1p(change) - threshold.log_limit(figure)
    alone = (1 - settings.confidence) / 2
    among_all = min(alone, settings.false_alarms / figures)
    return _exceeds(excess, noise, processes, alone) * _exceeds(excess, noise, processes, among_all)


def smallest_found(
    *, figure: float, noise: Noise, processes: int, threshold: Threshold, settings: Settings, figures: int = 1
) -> float:
    """The share by which a cell has to be slower to be found with probability LIKELY; infinity for beyond reason."""

    def shortfall(log_change: float) -> float:
        found = chance_found(
            math.expm1(log_change),
            figure=figure,
            noise=noise,
            processes=processes,
            threshold=threshold,
            settings=settings,
            figures=figures,
        )
        return found - LIKELY

    low, high = threshold.log_limit(figure), math.log1p(_MAX_CHANGE)
    if low >= high or shortfall(high) < 0:
        return math.inf
    return math.expm1(brentq(shortfall, low, high, xtol=1e-5))


def chance_same(*, figure: float, noise: Noise, processes: int, threshold: Threshold, settings: Settings) -> float:
    """Probability that an unchanged cell is called the same: that its whole interval lies within the threshold.

    The probability of two one-sided tests that both hold, which is exact where the interval is narrow beside the
    threshold, and too low elsewhere.
    """
    error, degrees = _standard_error(noise, processes)
    if error == 0:
        return 1.0
    room = threshold.log_limit(figure) / error - float(stdtrit(degrees, (1 + settings.confidence) / 2))
    return max(0.0, 2 * float(stdtr(degrees, room)) - 1)


def _exceeds(excess: float, noise: Noise, processes: int, significance: float) -> float:
    """Probability that the statistic is significant."""
    error, degrees = _standard_error(noise, processes)
    critical = float(stdtrit(degrees, 1 - significance))
    # Far beyond, scipy's noncentral t is NaN.
    if error == 0 or excess / error > critical + _CERTAIN:
        return float(excess > 0)
    return 1 - float(nctdtr(degrees, excess / error, critical))


def _standard_error(noise: Noise, processes: int) -> tuple[float, float]:
    """Of the difference of the sides' means, and its degrees of freedom."""
    return noise.sd * math.sqrt(2 / processes), noise.degrees + 2 * processes - 2
