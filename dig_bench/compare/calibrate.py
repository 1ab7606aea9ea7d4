"""How far launches of the same code differ on this machine, and what a comparison can see there."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from dig_bench.cell import Row
from dig_bench.compare.calibration import Calibration, Noise
from dig_bench.compare.comparison import Comparison, compare
from dig_bench.compare.decision import MIN_LAUNCHES, Threshold
from dig_bench.compare.launches import METRICS, Key, Launches
from dig_bench.compare.power import LIKELY, chance_found, chance_same, smallest_found
from dig_bench.compare.settings import Settings

Number = TypeVar("Number", int, float)

LAUNCHES = 10

MOST_LAUNCHES = 20
"""Never recommended more: a machine that needs them should be made quieter."""

_LADDER = (0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Thresholds to recommend."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Of one metric of one cell, between launches of the same code."""

    key: Key
    metric: str
    launches: int
    median: float
    """In the metric's unit."""
    noise: Noise
    width: float
    """Logarithm of the largest figure over the smallest one."""
    threshold: Threshold

    def smallest_found(self, launches: int, settings: Settings) -> float:
        """The share by which it has to be slower to be seen; see power.smallest_found. Of a repeatable metric, what
        exceeds the threshold and all that was seen to vary."""
        if METRICS[self.metric].repeatable:
            return math.expm1(self.threshold.log_limit(self.median) + self.width)
        return smallest_found(
            figure=self.median,
            noise=self.noise,
            launches=launches,
            threshold=self.threshold,
            settings=settings,
            figures=_figures(settings),
        )


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    launches: int
    """Of each side, to find a latency that is slower by `change` in any of the cells; `sees` says whether they do."""
    change: float
    sees: bool
    max_launches: int
    """To call unchanged cells the same; `settles` says whether they do."""
    settles: bool
    slower_than: float | None
    """The smallest threshold of latency at which `max_launches` settle all cells; None where no sensible one does."""
    noisiest: Spread


@dataclass(frozen=True, kw_only=True)
class Findings:
    spreads: tuple[Spread, ...]
    left_out: tuple[str, ...]
    """Cells that cannot be calibrated, and why."""
    against_itself: Comparison
    """Of one half of the launches with the other, dealt out A B B A."""
    recommendation: Recommendation | None
    """None without any latency."""
    settings: Settings

    def calibration(self, launches: Launches) -> Calibration:
        """For `compare`. Repeatable metrics need none."""
        assert launches.manifest is not None
        noise = {
            (spread.key, spread.metric): spread.noise
            for spread in self.spreads
            if not METRICS[spread.metric].repeatable
        }
        recommended = self.recommendation
        return Calibration(
            machine=launches.manifest["environment"],
            noise=noise,
            launches=recommended.launches if recommended else None,
            max_launches=recommended.max_launches if recommended else None,
        )


def check_launches(launches: int) -> None:
    """ValueError when one half of them could not be compared with the other."""
    if launches < 2 * MIN_LAUNCHES:
        raise ValueError(f"--launches takes a whole number from {2 * MIN_LAUNCHES}, not {launches}")


def calibrate(launches: Launches, settings: Settings, *, change: float = 0.05) -> Findings:
    """`change` is the slow-down that has to be seen. ValueError when no cell has the launches that it takes."""
    spreads = tuple(_spreads(launches, settings))
    if not spreads:
        raise ValueError(f"{launches.source}: no cell was measured in {2 * MIN_LAUNCHES} launches")
    calibrated = {spread.key for spread in spreads}
    return Findings(
        spreads=spreads,
        left_out=tuple(f"{key}: {launches.status(key)}" for key in launches.rows if key not in calibrated),
        against_itself=compare(*halves(launches), replace(settings, calibration=None)),
        recommendation=recommend([spread for spread in spreads if spread.metric == "latency"], settings, change),
        settings=settings,
    )


def halves(launches: Launches) -> tuple[Launches, Launches]:
    """The launches of each cell, dealt out in turn: the first to one, two to the other, two to the one, and so on."""
    sides: tuple[list[Row], list[Row]] = ([], [])
    for rows in launches.rows.values():
        for place, row in enumerate(rows[: len(rows) // 2 * 2]):
            side = sides[place % 4 in (1, 2)]
            side.append(replace(row, launch=place // 2 + 1))
    manifest = launches.manifest and {
        **launches.manifest,
        # The halves have launches of their own numbers.
        "spec": {name: value for name, value in launches.manifest["spec"].items() if name != "launch"},
    }
    one, other = (
        Launches.of(side, source=f"{launches.source}, {name} half", manifest=manifest)
        for name, side in zip(("one", "other"), sides, strict=True)
    )
    return one, other


def recommend(latencies: Sequence[Spread], settings: Settings, change: float) -> Recommendation | None:
    if not latencies:
        return None

    def sees(spread: Spread, launches: int) -> bool:
        chance = chance_found(
            change,
            figure=spread.median,
            noise=spread.noise,
            launches=launches,
            threshold=spread.threshold,
            settings=settings,
            figures=_figures(settings),
        )
        return chance >= LIKELY

    def settles(spread: Spread, launches: int, threshold: Threshold) -> bool:
        chance = chance_same(
            figure=spread.median, noise=spread.noise, launches=launches, threshold=threshold, settings=settings
        )
        return chance >= LIKELY

    launches = _first(
        range(MIN_LAUNCHES, MOST_LAUNCHES + 1), lambda count: all(sees(spread, count) for spread in latencies)
    )
    most = _first(
        range(launches or MOST_LAUNCHES, MOST_LAUNCHES + 1),
        lambda count: all(settles(spread, count, spread.threshold) for spread in latencies),
    )
    return Recommendation(
        launches=launches or MOST_LAUNCHES,
        change=change,
        sees=launches is not None,
        max_launches=most or MOST_LAUNCHES,
        settles=most is not None,
        slower_than=_first(
            _LADDER,
            lambda share: all(settles(each, most or MOST_LAUNCHES, Threshold(relative=share)) for each in latencies),
        ),
        noisiest=max(latencies, key=lambda spread: spread.noise.sd),
    )


def _spreads(launches: Launches, settings: Settings) -> Iterator[Spread]:
    for key in launches.rows:
        for metric in settings.metrics:
            figures = launches.figures(key, metric)
            # Half of them are compared with the other half.
            if len(figures) < 2 * MIN_LAUNCHES:
                continue
            logs = [math.log(figure) for figure in figures]
            yield Spread(
                key=key,
                metric=metric,
                launches=len(figures),
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
