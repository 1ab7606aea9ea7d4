"""The recommendation of a calibration: how many processes a comparison on this machine needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dig_bench.compare.decision import DEFAULT_PROCESSES
from dig_bench.compare.power import LIKELY
from dig_bench.compare.settings import Settings
from dig_bench.compare.spread import Spread
from dig_bench.results.metrics import Threshold

Number = TypeVar("Number", int, float)

MOST_PROCESSES = 20
"""Largest recommended number of processes. A machine that needs more should be made quieter."""

_THRESHOLDS = (0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Thresholds of latency to recommend."""


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    processes: int
    """Processes per side that detect a latency slower by `change`, DEFAULT_PROCESSES at least."""
    change: float
    detects: bool
    """True if `processes` detect it in every cell."""
    max_processes: int
    """Processes per side that settle unchanged cells, that is, call them the same."""
    settles: bool
    """True if `max_processes` settle every cell."""
    slower_than: float | None
    """Smallest threshold of latency at which `max_processes` settle every cell; None if no sensible one does."""
    noisiest: Spread


def recommend(latencies: Sequence[Spread], settings: Settings, change: float) -> Recommendation | None:
    """Recommends numbers of processes from the spreads of latencies. Returns None without any."""
    if not latencies:
        return None

    def detects(spread: Spread, processes: int) -> bool:
        return spread.power(settings).chance_found(change, processes) >= LIKELY

    def settles(spread: Spread, processes: int, threshold: Threshold) -> bool:
        return spread.power(settings, threshold).chance_same(processes) >= LIKELY

    processes = _first(
        range(DEFAULT_PROCESSES, MOST_PROCESSES + 1), lambda count: all(detects(spread, count) for spread in latencies)
    )
    most = _first(
        range(processes or MOST_PROCESSES, MOST_PROCESSES + 1),
        lambda count: all(settles(spread, count, spread.threshold) for spread in latencies),
    )
    return Recommendation(
        processes=processes or MOST_PROCESSES,
        change=change,
        detects=processes is not None,
        max_processes=most or MOST_PROCESSES,
        settles=most is not None,
        slower_than=_first(
            _THRESHOLDS,
            lambda share: all(settles(each, most or MOST_PROCESSES, Threshold(relative=share)) for each in latencies),
        ),
        noisiest=max(latencies, key=lambda spread: spread.noise.sd),
    )


def _first(values: Iterable[Number], holds: Callable[[Number], bool]) -> Number | None:
    return next((value for value in values if holds(value)), None)
