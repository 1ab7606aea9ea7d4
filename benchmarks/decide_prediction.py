"""What a calibration predicts: the steps of `dig-bench compare` over simulated processes of its noise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from decide_trial import Trial
from numpy.random import Generator

from dig_bench.cell import Key, Row
from dig_bench.compare.calibration import Calibration
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.interleave import Plan, decide_in_turn
from dig_bench.compare.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Of the procedure over simulated processes: shares of comparisons that are red, and of cells by latency."""

    red: float
    caught: float
    called_the_same: float


class SimulatedPair:
    """Evidence drawn from a calibration's noise, normal and independent; the candidate is slower by a share."""

    def __init__(self, generator: Generator, calibration: Calibration, slower: float) -> None:
        self._generator = generator
        self._calibration = calibration
        self._factors = (1.0, 1.0 + slower)
        self._rows: tuple[dict[Key, list[Row]], ...] = ({}, {})

    def process(self, keys: Collection[Key], processes: int) -> None:
        for key in keys:
            for factor, rows in zip(self._factors, self._rows, strict=True):
                of_key = rows.setdefault(key, [])
                for number in range(len(of_key) + 1, processes + 1):
                    figures = {"latency_ms_median": 10 * factor * self._error(key, "latency")}
                    if (key, "first-call") in self._calibration.noise:
                        figures["first_call_s"] = 0.01 * self._error(key, "first-call")
                    of_key.append(Row.of(replace(key, process=number), "ok", **figures))

    def processes(self) -> tuple[Evidence, Evidence]:
        manifest = {"environment": self._calibration.machine, "spec": {}, "finished_at": "then"}
        base, candidate = (
            Evidence.of([row for of_key in rows.values() for row in of_key], manifest=manifest) for rows in self._rows
        )
        return base, candidate

    def _error(self, key: Key, metric: str) -> float:
        return float(np.exp(self._generator.normal(0, self._calibration.noise[key, metric].sd)))


def simulate(calibration: Calibration, settings: Settings, plan: Plan, *, slower: float, suites: int) -> Rates:
    """Of all cells that the calibration knows, all slower by the same share. Seeded."""
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
