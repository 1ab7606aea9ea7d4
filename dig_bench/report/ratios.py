"""Ratio of two models' speeds, with its interval and what weakens it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from dig_bench.compare.decision import MIN_PROCESSES, decide
from dig_bench.render.labels import power_limit, processes
from dig_bench.results.metrics import Threshold
from dig_bench.results.scaling import Standing, standing

_NONE_NEGLIGIBLE = Threshold(relative=0.0)


@dataclass(frozen=True, kw_only=True)
class SpeedRatio:
    """Speed of a model over another's, both prepared rows measured under the same conditions: above 1 it is faster."""

    value: float
    low: float
    high: float
    """Ends of the interval: NaN if a latency has none."""
    processes: tuple[int, int]
    """Processes of either side."""
    power: str
    """Says which of the two ran at the power limit if the other did not; else empty."""

    @property
    def evidence(self) -> str:
        """`one process`, `3 processes`, `3 processes against one process`."""
        return processes(*self.processes)

    @property
    def standing(self) -> Standing:
        """Position of the interval."""
        return standing(self.low, self.high)


def speed_ratio(ours: pd.Series[Any], theirs: pd.Series[Any]) -> SpeedRatio:
    """Compares two measured rows.

    With three processes or more on either side the interval is that of `compare`, from the spread between processes.
    With fewer it is the widest that the intervals of both medians allow: it says nothing about other processes, and the
    evidence says so.
    """
    counts = int(ours["num_processes"]), int(theirs["num_processes"])
    if min(counts) >= MIN_PROCESSES:
        decision = decide(list(ours["latencies_ms"]), list(theirs["latencies_ms"]), threshold=_NONE_NEGLIGIBLE)
        value, low, high = decision.ratio, decision.ratio_low, decision.ratio_high
    else:
        value = theirs["latency_ms_median"] / ours["latency_ms_median"]
        low = theirs["latency_ms_ci_low"] / ours["latency_ms_ci_high"]
        high = theirs["latency_ms_ci_high"] / ours["latency_ms_ci_low"]
    return SpeedRatio(
        value=float(value),
        low=float(low),
        high=float(high),
        processes=counts,
        power=power_limit(
            ours["name"],
            theirs["name"],
            is_ours_capped=bool(ours["is_capped"]),
            is_theirs_capped=bool(theirs["is_capped"]),
        ),
    )
