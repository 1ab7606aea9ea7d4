"""Simulated suites: processes with known noise, which the decision of `dig-bench compare` gets like measured ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from noises import Machine, Noise

from dig_bench.cell import Cell, Key, Row
from dig_bench.compare.calibration import Calibration
from dig_bench.compare.calibration import Noise as KnownNoise
from dig_bench.compare.comparison import Comparison, compare
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.plan import Plan
from dig_bench.compare.sequential import decide_in_turn
from dig_bench.compare.settings import Settings

# C cells, L processes of one side

MANIFEST = {"environment": {}, "spec": {}, "finished_at": "then"}


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A comparison to simulate."""

    noise: Noise
    cells: int
    slower: float = 0.0
    """Slow-down of the first cell."""
    all_slower: float = 0.0
    """Slow-down of every cell."""
    calibrated_sd: float | None = None
    """Noise that a calibration of 20 processes knows."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Shares of suites, in the order of the tables."""

    red: float
    undecided: float
    fine: float
    found: float
    """Share in which the first cell is called slower."""
    missed: float
    """Share in which the first cell is called the same, or faster."""


class SimulatedPair:
    """Two sides of a suite. The candidate is slower as the suite says."""

    def __init__(self, suite: Suite, machine: Machine, processes: int) -> None:
        """Draws all processes that can be asked for at once, so that a drift extends over all of them."""
        logs_C2L = machine(processes)
        logs_C2L[:, 1] += np.log1p(suite.all_slower)
        logs_C2L[0, 1] += np.log1p(suite.slower)
        self._values_C2L = (10 * np.exp(logs_C2L)).tolist()
        self._measured: dict[Key, int] = {}

    def measure(self, keys: Collection[Key], processes: int) -> None:
        self._measured.update(dict.fromkeys(keys, processes))

    def evidence(self) -> tuple[Evidence, Evidence]:
        base, candidate = (
            Evidence(
                source="",
                rows={
                    # The cell's number takes the place of the resolution.
                    key: tuple(_rows(key, self._values_C2L[key.resolution_px][side][:count]))
                    for key, count in self._measured.items()
                },
                manifest=MANIFEST,
            )
            for side in (0, 1)
        )
        return base, candidate


def simulate(suite: Suite, *, processes: int, suites: int, seed: int = 1) -> Rates:
    """Simulates comparisons of two folders with this many processes a side."""

    def one(machine: Machine, settings: Settings) -> Comparison:
        pair = SimulatedPair(suite, machine, processes)
        pair.measure(_keys(suite.cells), processes)
        return compare(*pair.evidence(), settings)

    return _rates(suite, one, suites, seed)


def simulate_in_turn(suite: Suite, *, plan: Plan, suites: int, seed: int = 1) -> Rates:
    """Simulates `compare --base`: more processes for undecided cells, fresh ones for suspects."""

    def one(machine: Machine, settings: Settings) -> Comparison:
        def pair() -> SimulatedPair:
            return SimulatedPair(suite, machine, plan.max_processes)

        return decide_in_turn(_keys(suite.cells), settings, plan, first=pair(), fresh=pair)

    return _rates(suite, one, suites, seed)


def _rates(suite: Suite, one: Callable[[Machine, Settings], Comparison], suites: int, seed: int) -> Rates:
    generator = np.random.default_rng(seed)
    settings = Settings(metrics=("latency",), calibration=_calibration(suite))
    counts = dict.fromkeys(Rates.__dataclass_fields__, 0)
    for _ in range(suites):
        found = one(suite.noise(generator, suite.cells), settings)
        counts["red"] += bool(found.regressions)
        counts["undecided"] += not found.regressions and bool(found.undecided)
        counts["fine"] += found.exit_code == 0
        counts["found"] += found.cells[0].verdict == "slower"
        counts["missed"] += found.cells[0].verdict in ("same", "faster")
    return Rates(**{name: count / suites for name, count in counts.items()})


def _calibration(suite: Suite) -> Calibration | None:
    if suite.calibrated_sd is None:
        return None
    noise = {(key, "latency"): KnownNoise(sd=suite.calibrated_sd, degrees=19) for key in _keys(suite.cells)}
    return Calibration(machine={}, noise=noise)


@cache
def _keys(cells: int) -> tuple[Key, ...]:
    cell = Cell(model="simulated", backend="none", resolution_px=0)
    return tuple(replace(cell, resolution_px=number).without("process") for number in range(cells))


@cache
def _template(key: Key, process: int) -> Row:
    return Row.of(key.as_cell(process=process), "ok")


def _rows(key: Key, values: list[float]) -> Iterator[Row]:
    for process, value in enumerate(values, start=1):
        # A copy is much faster than a new row, whose columns are many.
        row = copy.copy(_template(key, process))
        object.__setattr__(row, "latency_ms_median", value)
        yield row
