"""Steady state: detects whether a series of timings still drifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MIN_WINDOWS = 6
MIN_SPAN_S = 1.0
"""A trend is fitted to the latest windows: at least MIN_WINDOWS of them, over at least MIN_SPAN_S."""

MIN_WINDOW_S = 0.1

_SIGMAS_PER_MAD = 1 / 0.6745


@dataclass(frozen=True, kw_only=True)
class Trend:
    """Relative change of window medians, by Theil-Sen's slope (the median of the slopes of all pairs of windows)."""

    drift: float
    """Change over the span of the windows, as a share of the median."""
    per_s: float
    """Change per second, as a share of the median."""
    noise: float
    """Standard error of the drift, from the scatter of the windows about the line."""

    def is_steady(self, tolerance: float) -> bool:
        """Returns True for a drift that is below `tolerance`, or below twice its standard error."""
        return abs(self.drift) <= max(tolerance, 2 * self.noise)


def fit(ends_s: Sequence[float], medians: Sequence[float]) -> Trend:
    """Fits a trend to window medians. Takes two windows or more, at ascending times."""
    times, values = np.asarray(ends_s), np.asarray(medians)
    i, j = np.triu_indices(len(times), k=1)
    slope = float(np.median((values[j] - values[i]) / (times[j] - times[i])))
    level = float(np.median(values))
    residuals = values - slope * times
    scatter = float(np.median(np.abs(residuals - np.median(residuals)))) * _SIGMAS_PER_MAD
    span = float(times[-1] - times[0])
    # For evenly spaced windows the standard error of a slope, times the span, is sqrt(12 / n) of the scatter.
    return Trend(drift=slope * span / level, per_s=slope / level, noise=scatter / level * (12 / len(times)) ** 0.5)


class Windows:
    """Medians of the consecutive windows of a pass."""

    def __init__(self) -> None:
        self._ends_s: list[float] = []
        self._medians: list[float] = []
        self._seen = 0

    def add(self, end_s: float, samples: Sequence[float]) -> None:
        """Adds the samples since the last window as a window, if it is at least MIN_WINDOW_S long.

        Takes all samples of the pass so far, and the time since the pass began.
        """
        last_s = self._ends_s[-1] if self._ends_s else 0.0
        if len(samples) > self._seen and end_s - last_s >= MIN_WINDOW_S:
            self._ends_s.append(end_s)
            self._medians.append(float(np.median(samples[self._seen :])))
            self._seen = len(samples)

    def trend(self) -> Trend | None:
        """Returns the trend of the latest windows; None if they are too few or span too little time."""
        last = len(self._ends_s) - 1
        for first in range(last - MIN_WINDOWS + 1, -1, -1):
            if self._ends_s[last] - self._ends_s[first] >= MIN_SPAN_S:
                return fit(self._ends_s[first:], self._medians[first:])
        return None
