"""Power: how likely a number of processes is to detect a change when the noise between them is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import nctdtr, stdtr, stdtrit

from dig_bench.compare.calibration import Noise
from dig_bench.compare.settings import Settings
from dig_bench.results.metrics import METRICS, Threshold

LIKELY = 0.9
"""Probability from which on a change counts as detectable: nine comparisons in ten detect it."""

_MAX_CHANGE = 100.0
"""Largest change considered, as a factor."""

_CERTAIN = 25.0
"""Standard errors beyond which a statistic is significant for sure."""


@dataclass(frozen=True, kw_only=True)
class Power:
    """Chances of the decision about one metric of one cell.

    `decide` gets the noise as a calibration: its statistic is then a noncentral t with the degrees of freedom of the
    calibration and the processes together.
    """

    value: float
    """Typical value of the cell, in the metric's unit."""
    noise: Noise
    threshold: Threshold
    settings: Settings

    def chance_found(self, change: float, processes: int) -> float:
        """Returns the probability that a slow-down by the share `change` is suspected and then confirmed.

        `processes` per side measure it, and as many more confirm it. The cell's other metrics are unchanged.
        """
        excess = math.log1p(change) - self.threshold.log_limit(self.value)
        alone = (1 - self.settings.confidence) / 2
        among_all = min(alone, self.settings.false_alarms / 2 / _varying_metrics(self.settings))
        return self._exceeds(excess, processes, alone) * self._exceeds(excess, processes, among_all)

    def smallest_found(self, processes: int) -> float:
        """Returns the smallest slow-down, as a share, that is found with probability LIKELY; infinity beyond 100x."""
        low, high = self.threshold.log_limit(self.value), math.log1p(_MAX_CHANGE)

        def shortfall(log_change: float) -> float:
            return self.chance_found(math.expm1(log_change), processes) - LIKELY

        if low >= high or shortfall(high) < 0:
            return math.inf
        return math.expm1(brentq(shortfall, low, high, xtol=1e-5))

    def chance_same(self, processes: int) -> float:
        """Returns the probability that an unchanged cell is called the same: its interval lies within the threshold.

        That is the probability that two one-sided tests both hold. It is exact where the interval is narrow compared
        with the threshold, and too low elsewhere.
        """
        error, degrees = self._standard_error(processes)
        if error == 0:
            return 1.0
        margin = float(stdtrit(degrees, (1 + self.settings.confidence) / 2))
        room = self.threshold.log_limit(self.value) / error - margin
        return max(0.0, 2 * float(stdtr(degrees, room)) - 1)

    def _exceeds(self, excess: float, processes: int, significance: float) -> float:
        """Returns the probability that the statistic is significant."""
        error, degrees = self._standard_error(processes)
        critical = float(stdtrit(degrees, 1 - significance))
        # Far out, scipy's noncentral t is NaN.
        if error == 0 or excess / error > critical + _CERTAIN:
            return float(excess > 0)
        return 1 - float(nctdtr(degrees, excess / error, critical))

    def _standard_error(self, processes: int) -> tuple[float, float]:
        """Returns the standard error of the difference of the sides' means, and its degrees of freedom."""
        return self.noise.sd * math.sqrt(2 / processes), self.noise.degrees + 2 * processes - 2


def _varying_metrics(settings: Settings) -> int:
    """Returns how many of the metrics vary between processes that do the same work."""
    return max(1, sum(not METRICS[metric].repeatable for metric in settings.metrics))
