"""Predictions from a calibration: the decisions of `dig-bench compare` about simulated processes with its noise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from trial import Trial

from dig_bench.cell import Key, Row
from dig_bench.compare.calibration import Calibration
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.plan import Plan
from dig_bench.compare.sequential import decide_in_turn
from dig_bench.compare.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Predicted shares."""

    red: float
    """Share of comparisons with a regression."""
    caught: float
    """Share of cells whose latency is called slower."""
    called_the_same: float
    """Share of cells whose latency is called the same, or faster."""


class SimulatedPair:
    """Two sides with normal, independent noise as in a calibration. The candidate is slower by a share."""

    def __init__(self, generator: Generator, calibration: Calibration, slower: float) -> None:
        self._generator = generator
        self._calibration = calibration
        self._factors = (1.0, 1.0 + slower)
        self._rows: tuple[dict[Key, list[Row]], ...] = ({}, {})

    def measure(self, keys: Collection[Key], processes: int) -> None:
        """Draws processes of these cells until each has this many on both sides."""
        for key in keys:
            for factor, rows in zip(self._factors, self._rows, strict=True):
                drawn = rows.setdefault(key, [])
                for number in range(len(drawn) + 1, processes + 1):
                    values = {"latency_ms_median": 10 * factor * self._error(key, "latency")}
                    if (key, "first-call") in self._calibration.noise:
                        values["first_call_s"] = 0.01 * self._error(key, "first-call")
                    drawn.append(Row.of(key.as_cell(process=number), "ok", **values))

    def evidence(self) -> tuple[Evidence, Evidence]:
        """Returns what base and candidate have so far."""
        manifest = {"environment": self._calibration.machine, "spec": {}, "finished_at": "then"}
        base, candidate = (
            Evidence.of([row for drawn in rows.values() for row in drawn], manifest=manifest) for rows in self._rows
        )
        return base, candidate

    def _error(self, key: Key, metric: str) -> float:
        return float(np.exp(self._generator.normal(0, self._calibration.noise[key, metric].sd)))


def simulate(calibration: Calibration, settings: Settings, plan: Plan, *, slower: float, suites: int) -> Rates:
    """Simulates comparisons of all cells of the calibration, each slower by the same share. The seed is fixed."""
    generator = np.random.default_rng(1)
    keys = list(dict.fromkeys(key for key, _ in calibration.noise))
    trials = [
        Trial(
            share=slower,
            number=number,
            comparison=decide_in_turn(
                keys,
                settings,
                plan,
                first=SimulatedPair(generator, calibration, slower),
                fresh=lambda: SimulatedPair(generator, calibration, slower),
            ),
        )
        for number in range(suites)
    ]
    return Rates(
        red=sum(bool(trial.comparison.regressions) for trial in trials) / suites,
        caught=sum(len(trial.caught) for trial in trials) / suites / len(keys),
        called_the_same=sum(len(trial.missed) for trial in trials) / suites / len(keys),
    )
