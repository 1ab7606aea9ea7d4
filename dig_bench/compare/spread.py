"""The spread of each cell's values between processes of the same code."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from dig_bench.cell import Key
from dig_bench.compare.calibration import Noise
from dig_bench.compare.decision import MIN_PROCESSES
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.power import Power
from dig_bench.compare.settings import Settings
from dig_bench.results.metrics import METRICS, Threshold

CALIBRATION_PROCESSES = 2 * MIN_PROCESSES
"""Fewest processes of a calibration: one half of them is compared with the other."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The spread of one metric of one cell."""

    key: Key
    metric: str
    processes: int
    median: float
    """Median in the metric's unit."""
    noise: Noise
    width: float
    """Logarithm of the ratio of the largest value to the smallest one."""
    threshold: Threshold

    def power(self, settings: Settings, threshold: Threshold | None = None) -> Power:
        """Returns the chances of a comparison at this noise. `threshold` replaces the cell's own."""
        return Power(value=self.median, noise=self.noise, threshold=threshold or self.threshold, settings=settings)

    def smallest_found(self, processes: int, settings: Settings) -> float:
        """Returns the smallest slow-down, as a share, that a comparison detects; see `Power.smallest_found`.

        For a repeatable metric, that is the threshold plus the whole spread.
        """
        if METRICS[self.metric].repeatable:
            return math.expm1(self.threshold.log_limit(self.median) + self.width)
        return self.power(settings).smallest_found(processes)


def spreads(evidence: Evidence, settings: Settings) -> Iterator[Spread]:
    """Yields a spread for each cell and metric with values of CALIBRATION_PROCESSES processes at least."""
    for key in evidence.rows:
        for metric in settings.metrics:
            values = evidence.values(key, metric)
            if len(values) < CALIBRATION_PROCESSES:
                continue
            logs = [math.log(value) for value in values]
            yield Spread(
                key=key,
                metric=metric,
                processes=len(values),
                median=statistics.median(values),
                noise=Noise(sd=statistics.stdev(logs), degrees=len(logs) - 1),
                width=max(logs) - min(logs),
                threshold=settings.threshold(key, metric),
            )
