"""How far processes of the same code differ on this machine, and what a comparison can see there."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from dig_bench.cell import Key, Row
from dig_bench.compare.calibration import Calibration, Noise
from dig_bench.compare.comparison import Comparison, compare
from dig_bench.compare.decision import MIN_PROCESSES
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.power import LIKELY, chance_found, chance_same, smallest_found
from dig_bench.compare.settings import Settings
from dig_bench.results.metrics import METRICS, Threshold

Number = TypeVar("Number", int, float)

PROCESSES = 10

MOST_PROCESSES = 20
"""Never recommended more: a machine that needs them should be made quieter."""

_LADDER = (0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Thresholds to recommend."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Of one metric of one cell, between processes of the same code."""

    key: Key
    metric: str
    processes: int
    median: float
    """In the metric's unit."""
    noise: Noise
    width: float
    """Logarithm of the largest figure over the smallest one."""
    threshold: Threshold

    def smallest_found(self, processes: int, settings: Settings) -> float:
        """The share by which it has to be slower to be seen; see power.smallest_found. Of a repeatable metric, what
        exceeds the threshold and all that was seen to vary."""
        if METRICS[self.metric].repeatable:
            return math.expm1(self.threshold.log_limit(self.median) + self.width)
        return smallest_found(
            figure=self.median,
            noise=self.noise,
            processes=processes,
            threshold=self.threshold,
            settings=settings,
            figures=_figures(settings),
        )


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    processes: int
    """Of each side, to find a latency that is slower by `change` in any of the cells; `sees` says whether they do."""
    change: float
    sees: bool
    max_processes: int
    """To call unchanged cells the same; `settles` says whether they do."""
    settles: bool
    slower_than: float | None
    """The smallest threshold of latency at which `max_processes` settle all cells; None where no sensible one does."""
    noisiest: Spread


@dataclass(frozen=True, kw_only=True)
class Findings:
    spreads: tuple[Spread, ...]
    left_out: tuple[str, ...]
    """Cells that cannot be calibrated, and why."""
    against_itself: Comparison
    """Of one half of the processes with the other, dealt out A B B A."""
    recommendation: Recommendation | None
    """None without any latency."""
    settings: Settings

    def calibration(self, processes: Evidence) -> Calibration:
        """For `compare`. Repeatable metrics need none."""
        assert processes.manifest is not None
        noise = {
            (spread.key, spread.metric): spread.noise
            for spread in self.spreads
            if not METRICS[spread.metric].repeatable
        }
        recommended = self.recommendation
        return Calibration(
            machine=processes.manifest["environment"],
            noise=noise,
            processes=recommended.processes if recommended else None,
            max_processes=recommended.max_processes if recommended else None,
        )


def check_processes(processes: int) -> None:
    """ValueError when one half of them could not be compared with the other."""
    if processes < 2 * MIN_PROCESSES:
        raise ValueError(f"--processes takes a whole number from {2 * MIN_PROCESSES}, not {processes}")


def calibrate(processes: Evidence, settings: Settings, *, change: float = 0.05) -> Findings:
    """`change` is the slow-down that has to be seen. ValueError when no cell has the processes that it takes."""
    spreads = tuple(_spreads(processes, settings))
    if not spreads:
        raise ValueError(f"{processes.source}: no cell was measured in {2 * MIN_PROCESSES} processes")
    calibrated = {spread.key for spread in spreads}
    return Findings(
        spreads=spreads,
        left_out=tuple(f"{key}: {processes.status(key)}" for key in processes.rows if key not in calibrated),
        against_itself=compare(*halves(processes), replace(settings, calibration=None)),
        recommendation=recommend([spread for spread in spreads if spread.metric == "latency"], settings, change),
        settings=settings,
    )


def halves(processes: Evidence) -> tuple[Evidence, Evidence]:
    """The processes of each cell, dealt out in turn: the first to one, two to the other, two to the one, and so on."""
    sides: tuple[list[Row], list[Row]] = ([], [])
    for rows in processes.rows.values():
        for place, row in enumerate(rows[: len(rows) // 2 * 2]):
            side = sides[place % 4 in (1, 2)]
            side.append(replace(row, process=place // 2 + 1))
    manifest = processes.manifest and {
        **processes.manifest,
        # The halves have processes of their own numbers.
        "spec": {name: value for name, value in processes.manifest["spec"].items() if name != "process"},
    }
    one, other = (
        Evidence.of(side, source=f"{processes.source}, {name} half", manifest=manifest)
        for name, side in zip(("one", "other"), sides, strict=True)
    )
    return one, other


def recommend(latencies: Sequence[Spread], settings: Settings, change: float) -> Recommendation | None:
    if not latencies:
        return None

    def sees(spread: Spread, processes: int) -> bool:
        chance = chance_found(
            change,
            figure=spread.median,
            noise=spread.noise,
            processes=processes,
            threshold=spread.threshold,
            settings=settings,
            figures=_figures(settings),
        )
        return chance >= LIKELY

    def settles(spread: Spread, processes: int, threshold: Threshold) -> bool:
        chance = chance_same(
            figure=spread.median, noise=spread.noise, processes=processes, threshold=threshold, settings=settings
        )
        return chance >= LIKELY

    processes = _first(
        range(MIN_PROCESSES, MOST_PROCESSES + 1), lambda count: all(sees(spread, count) for spread in latencies)
    )
    most = _first(
        range(processes or MOST_PROCESSES, MOST_PROCESSES + 1),
        lambda count: all(settles(spread, count, spread.threshold) for spread in latencies),
    )
    return Recommendation(
        processes=processes or MOST_PROCESSES,
        change=change,
        sees=processes is not None,
        max_processes=most or MOST_PROCESSES,
        settles=most is not None,
        slower_than=_first(
            _LADDER,
            lambda share: all(settles(each, most or MOST_PROCESSES, Threshold(relative=share)) for each in latencies),
        ),
        noisiest=max(latencies, key=lambda spread: spread.noise.sd),
    )


def _spreads(processes: Evidence, settings: Settings) -> Iterator[Spread]:
    for key in processes.rows:
        for metric in settings.metrics:
            figures = processes.figures(key, metric)
            # Half of them are compared with the other half.
            if len(figures) < 2 * MIN_PROCESSES:
                continue
            logs = [math.log(figure) for figure in figures]
            yield Spread(
                key=key,
                metric=metric,
                processes=len(figures),
                median=statistics.median(figures),
                noise=Noise(sd=statistics.stdev(logs), degrees=len(logs) - 1),
                width=max(logs) - min(logs),
                threshold=settings.threshold(key, metric),
            )


def _figures(settings: Settings) -> int:
    """Of one cell, those that chance has a part in."""
    return max(1, sum(not METRICS[metric].repeatable for metric in settings.metrics))


def _first(values: Iterable[Number], holds: Callable[[Number], bool]) -> Number | None:
    return next((value for value in values if holds(value)), None)
