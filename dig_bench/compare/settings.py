"""Settings of a comparison: metrics, thresholds, error rates, and noise that is known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dig_bench.cell import Key
from dig_bench.compare.calibration import Calibration, Noise
from dig_bench.compare.decision import CONFIDENCE
from dig_bench.compare.thresholds import Rule
from dig_bench.results.metrics import DEFAULT_METRICS, METRICS, Threshold, check_metric

FALSE_ALARMS = 0.01


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides a comparison besides the values. Raises ValueError for values out of range."""

    metrics: tuple[str, ...] = DEFAULT_METRICS
    """Names from METRICS."""
    rules: tuple[Rule, ...] = ()
    """Thresholds of the user. The last one that applies to a cell and metric holds, else the metric's own."""
    confidence: float = CONFIDENCE
    """Confidence of the ratios' two-sided intervals."""
    false_alarms: float = FALSE_ALARMS
    """Probability that a comparison without any true change calls any value slower, however many cells it has, to aim
    at; the same for faster. The simulations in benchmarks/compare show what it is for noise of many kinds."""
    calibration: Calibration | None = None
    allow_different_environments: bool = False
    thresholds: Mapping[str, Threshold] = field(
        default_factory=lambda: {name: metric.threshold for name, metric in METRICS.items()}
    )
    """The metrics' own thresholds."""

    def __post_init__(self) -> None:
        for name in self.metrics:
            check_metric(name)
        if not self.metrics:
            raise ValueError("there is no metric to compare")
        for what, value in (("confidence", self.confidence), ("false alarms", self.false_alarms)):
            if not 0 < value < 1:
                raise ValueError(f"{what} must be a share between 0 and 1, not {value}")

    def threshold(self, key: Key, metric: str) -> Threshold:
        """Returns the threshold that holds for a metric of a cell."""
        for rule in reversed(self.rules):
            if rule.metric == metric and rule.applies(key):
                return rule.threshold
        return self.thresholds[metric]

    def noise(self, key: Key, metric: str) -> Noise | None:
        """Returns the calibrated noise of a metric of a cell, if it is known."""
        return self.calibration.noise.get((key, metric)) if self.calibration else None


def parse_metrics(text: str) -> tuple[str, ...]:
    """Parses `latency,memory`. Raises ValueError, with the choices, for an unknown metric."""
    return tuple(dict.fromkeys(check_metric(name.strip()) for name in text.split(",")))
