"""Metrics that are compared and tracked over time: one entry each, with column, words and threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Limits that a difference must exceed, both, to count. Raises ValueError for negative limits."""

    relative: float
    """0.02 is 2 %."""
    absolute: float = 0.0
    """In the metric's unit."""

    def __post_init__(self) -> None:
        if not (0 <= self.relative < math.inf and 0 <= self.absolute < math.inf):
            raise ValueError(f"a threshold cannot be negative: {self.relative}, {self.absolute}")

    def log_limit(self, base: float) -> float:
        """Returns the largest negligible difference of natural logarithms from a value of `base`."""
        return math.log1p(max(self.relative, self.absolute / base))


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Column of Row by which two sets of results are compared. Less is better for all of them."""

    name: str
    """Name on the command line and in JSON."""
    column: str
    """Column of Row."""
    title: str
    """Title in tables, pages and messages."""
    unit: str
    worse: str
    """Verdict for a value that is larger than the threshold allows."""
    better: str
    threshold: Threshold
    repeatable: bool = False
    """True if all processes that do the same work get the same value: one process is enough evidence."""
    needs_health: bool = True
    """True if values of throttled rows do not count."""
    by_default: bool = False
    """True if it is compared without `--metrics`."""
    digits: int = 4
    """Significant digits in tables."""


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="latency",
            column="latency_ms_median",
            title="latency",
            unit="ms",
            worse="slower",
            better="faster",
            threshold=Threshold(relative=0.02),
            by_default=True,
        ),
        Metric(
            name="memory",
            column="peak_allocated_mib",
            title="peak memory",
            unit="MiB",
            worse="more memory",
            better="less memory",
            # Allocators round to 32 MiB, and a CPU's resident set differs by as much between processes.
            threshold=Threshold(relative=0.01, absolute=32.0),
            repeatable=True,
            needs_health=False,
            by_default=True,
        ),
        Metric(
            name="reserved-memory",
            column="peak_reserved_mib",
            title="reserved memory",
            unit="MiB",
            worse="more reserved",
            better="less reserved",
            threshold=Threshold(relative=0.01, absolute=64.0),
            repeatable=True,
            needs_health=False,
        ),
        Metric(
            name="device-memory",
            column="device_used_mib",
            title="device memory",
            unit="MiB",
            worse="more on device",
            better="less on device",
            threshold=Threshold(relative=0.01, absolute=64.0),
            repeatable=True,
            needs_health=False,
        ),
        Metric(
            name="first-call",
            column="first_call_s",
            title="first call",
            unit="s",
            worse="slower first call",
            better="faster first call",
            # Compilation and autotuning depend on caches on disk and on the host's other work.
            threshold=Threshold(relative=0.5, absolute=1.0),
            by_default=True,
        ),
        Metric(
            name="energy",
            column="energy_j_per_image",
            title="energy",
            unit="J",
            worse="more energy",
            better="less energy",
            # The energy counter advances every 100 ms, and energy follows the GPU's temperature.
            threshold=Threshold(relative=0.05),
            by_default=True,
        ),
    )
}
"""Metrics by name."""

DEFAULT_METRICS: tuple[str, ...] = tuple(name for name, metric in METRICS.items() if metric.by_default)


def check_metric(name: str) -> str:
    """Returns the name. Raises ValueError, with the choices, for an unknown one."""
    if name not in METRICS:
        raise ValueError(f"no metric {name!r}: the choices are {', '.join(METRICS)}")
    return name
