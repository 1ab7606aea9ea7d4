"""Simulates how often the rule of `dig-bench compare` is wrong, and how often it detects a change.

    python benchmarks/compare/decision_rule.py > results/decision-rule.md

Draws processes from known noise, and passes them through `compare` like measured ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from noises import KNOWN_SD, NOISES, Draw
from numpy.random import Generator

from dig_bench.cell import Cell, Row
from dig_bench.compare.calibration import Calibration, Noise
from dig_bench.compare.comparison import Comparison, compare
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.settings import Settings
from dig_bench.render.markdown import table

# C cells, L processes of one side

MANIFEST = {"environment": {}, "spec": {}, "finished_at": "then"}

HARDEST = (
    "normal, 1 %",
    "each cell its own, 0.2 to 2 %",
    "heavy tail (t, 3 degrees), 1 %",
    "skewed (exponential), 1 %",
)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Shares of suites."""

    red: float
    undecided: float
    fine: float
    red_after_confirmation: float
    """Share that is still red after as many fresh processes measured the suspects."""
    found: float
    """Share in which the first cell is called slower, without confirmation."""
    missed: float
    """Share in which the first cell is called the same, or faster."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A comparison to simulate."""

    draw: Draw
    processes: int
    slower: float
    """Slow-down of the first cell."""
    all_slower: float
    """Slow-down of every cell."""
    settings: Settings

    def compare(self, generator: Generator, numbers: Sequence[int]) -> Comparison:
        """Draws processes of these cells and compares them."""
        logs_C2L = self.draw(generator, len(numbers), self.processes)
        logs_C2L[:, 1] += np.log1p(self.all_slower)
        logs_C2L[[number == 0 for number in numbers], 1] += np.log1p(self.slower)
        base, candidate = (Evidence.of(_rows(numbers, logs_C2L[:, side]), manifest=MANIFEST) for side in (0, 1))
        return compare(base, candidate, self.settings)


def simulate(
    draw: Draw,
    *,
    cells: int,
    processes: int,
    slower: float = 0.0,
    all_slower: float = 0.0,
    suites: int,
    seed: int = 1,
    calibrated_sd: float | None = None,
) -> Rates:
    """Simulates suites in which the first cell is slower by the share `slower`, or all cells by `all_slower`."""
    generator = np.random.default_rng(seed)
    settings = Settings(metrics=("latency",), calibration=_calibration(cells, calibrated_sd))
    suite = Suite(draw=draw, processes=processes, slower=slower, all_slower=all_slower, settings=settings)
    counts = dict.fromkeys(Rates.__dataclass_fields__, 0)
    for _ in range(suites):
        first = suite.compare(generator, range(cells))
        counts["red"] += bool(first.regressions)
        counts["undecided"] += not first.regressions and bool(first.undecided)
        counts["fine"] += first.exit_code == 0
        counts["found"] += first.cells[0].verdict == "slower"
        counts["missed"] += first.cells[0].verdict in ("same", "faster")
        suspects = [key.resolution_px for key in first.suspects]
        if suspects:
            fresh = suite.compare(generator, suspects)
            counts["red_after_confirmation"] += bool(first.confirmed_by(fresh).regressions)
    return Rates(**{name: count / suites for name, count in counts.items()})


def _calibration(cells: int, sd: float | None) -> Calibration | None:
    if sd is None:
        return None
    noise = {(_cell(number).without("process"), "latency"): Noise(sd=sd, degrees=19) for number in range(cells)}
    return Calibration(machine={}, noise=noise)


def _cell(number: int, process: int = 1) -> Cell:
    # The number takes the place of the resolution.
    return Cell(model="simulated", backend="none", resolution_px=number, process=process)


def _rows(numbers: Sequence[int], logs_CL: np.ndarray) -> Iterator[Row]:
    for number, logs_L in zip(numbers, logs_CL, strict=True):
        for process, log in enumerate(logs_L, start=1):
            yield Row.of(_cell(number, process), "ok", latency_ms_median=float(10 * np.exp(log)))


def identical_code(suites: int) -> Iterator[list[str]]:
    """Yields the rates of each noise when nothing changed."""
    for name, draw in NOISES.items():
        for cells, processes in ((12, 3), (12, 5), (12, 10), (48, 5)):
            rates = simulate(draw, cells=cells, processes=processes, suites=suites)
            shares = (rates.red, rates.red_after_confirmation, rates.undecided, rates.fine)
            yield [name, str(cells), str(processes), *(_share(share, suites) for share in shares)]


def at_the_threshold(suites: int) -> Iterator[list[str]]:
    """Yields the rates when every cell is slower by the threshold."""
    for name in HARDEST:
        for processes in (3, 5, 10):
            rates = simulate(NOISES[name], cells=12, processes=processes, all_slower=0.02, suites=suites)
            yield [name, str(processes), _share(rates.red, suites), _share(rates.missed, suites)]


def one_cell_slower(suites: int) -> Iterator[list[str]]:
    """Yields the rates when one cell of twelve is slower, without and with a calibration."""
    for name, draw in NOISES.items():
        for known in (None, KNOWN_SD.get(name)) if name in KNOWN_SD else (None,):
            for processes in (3, 5, 10):
                row = [name + (", known" if known else ""), str(processes)]
                for change in (0.03, 0.05, 0.1):
                    rates = simulate(
                        draw, cells=12, processes=processes, slower=change, suites=suites, calibrated_sd=known
                    )
                    row += [_share(rates.found, suites), _share(rates.missed, suites)]
                yield row


def _share(value: float, suites: int) -> str:
    """Returns a share in percent; for zero, its upper limit at 95 % confidence (the rule of three)."""
    return f"{100 * value:.1f}" if value else f"0 (< {300 / suites:.2g})"


def _print(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print("\n".join([f"## {title}", "", *table(columns, rows), ""]))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--suites", type=int, default=2000)
    suites: int = arguments.parse_args().suites
    print(
        "# Error rates of `dig-bench compare`\n\n"
        f"Written by `benchmarks/compare/decision_rule.py --suites {suites}`: {suites:,} simulated suites per row, "
        "shares of them in percent. The threshold is 2 %, the error rates are the default ones. Noise is that of log "
        "values between processes; `known` means with a calibration of 20 processes. Red: exit code 1. Confirmed: "
        "still red after as many fresh processes measured the suspects.\n"
    )
    _print(
        "Identical code",
        ["noise", "cells", "processes a side", "red", "confirmed", "undecided", "fine"],
        identical_code(suites),
    )
    _print(
        "Every cell slower by exactly the threshold: the hardest case for the rate of false alarms (1 %)",
        ["noise", "processes a side", "red", "first cell called the same"],
        at_the_threshold(suites),
    )
    changes = (f"{change} % {what}" for change in (3, 5, 10) for what in ("found", "called the same"))
    _print("One cell of twelve slower", ["noise", "processes a side", *changes], one_cell_slower(suites))


if __name__ == "__main__":
    main()
