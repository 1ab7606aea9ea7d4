"""How often the rule of `dig-bench compare` is wrong, and how often it sees a change, over simulated suites.

    python benchmarks/decision_rule.py > results/decision-rule.md

Evidence are drawn from known noise and go through `compare` as measured ones do.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from dig_bench.cell import Cell, Row
from dig_bench.compare.calibration import Calibration, Noise
from dig_bench.compare.comparison import Comparison, compare
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.settings import Settings

# C cells, L processes of one side

Draw = Callable[[Generator, int, int], np.ndarray]
"""cells, processes -> log errors [C, 2, L] of both sides."""


def normal(sd: float) -> Draw:
    return lambda generator, cells, processes: generator.normal(0, sd, (cells, 2, processes))


def unequal(low: float, high: float) -> Draw:
    """Each cell has its own noise, log-uniform."""

    def draw(generator: Generator, cells: int, processes: int) -> np.ndarray:
        sd_C11 = np.exp(generator.uniform(np.log(low), np.log(high), (cells, 1, 1)))
        return sd_C11 * generator.normal(size=(cells, 2, processes))

    return draw


def heavy_tail(sd: float) -> Draw:
    """Student's t with three degrees of freedom, scaled to the standard deviation."""
    return lambda generator, cells, processes: sd / 3**0.5 * generator.standard_t(3, (cells, 2, processes))


def stragglers(sd: float, share: float, slower: float) -> Draw:
    """Some processes are much slower: another process on the machine, a bad memory layout."""

    def draw(generator: Generator, cells: int, processes: int) -> np.ndarray:
        slow = generator.random((cells, 2, processes)) < share
        return generator.normal(0, sd, slow.shape) + slow * np.log1p(slower)

    return draw


def skewed(sd: float) -> Draw:
    """Exponential: never faster than the best, sometimes much slower."""
    return lambda generator, cells, processes: generator.exponential(sd, (cells, 2, processes))


def two_modes(sd: float, apart: float) -> Draw:
    """Each process is of one of two kinds: an autotuner that wavers between two kernels."""

    def draw(generator: Generator, cells: int, processes: int) -> np.ndarray:
        mode = generator.random((cells, 2, processes)) < 0.5
        return generator.normal(0, sd, mode.shape) + mode * np.log1p(apart)

    return draw


def drift(sd: float, total: float, *, interleaved: bool) -> Draw:
    """The machine becomes slower by `total` over the whole time; A B B A, or all of A and then all of B."""

    def draw(generator: Generator, cells: int, processes: int) -> np.ndarray:
        order = ([0, 1, 1, 0] * processes)[: 2 * processes] if interleaved else [0] * processes + [1] * processes
        time = np.linspace(0, total, 2 * processes)
        by_side_2L = np.array([time[np.array(order) == side] for side in (0, 1)])
        return by_side_2L + generator.normal(0, sd, (cells, 2, processes))

    return draw


NOISES: dict[str, Draw] = {
    "normal, 0.5 %": normal(0.005),
    "normal, 1 %": normal(0.01),
    "normal, 2 %": normal(0.02),
    "each cell its own, 0.2 to 2 %": unequal(0.002, 0.02),
    "heavy tail (t, 3 degrees), 1 %": heavy_tail(0.01),
    "skewed (exponential), 1 %": skewed(0.01),
    "stragglers: 5 % of processes 10 % slower": stragglers(0.005, 0.05, 0.1),
    "two modes, 4 % apart": two_modes(0.003, 0.04),
    "drift of 2 %, A B B A": drift(0.005, 0.02, interleaved=True),
    "drift of 2 %, A then B": drift(0.005, 0.02, interleaved=False),
}
KNOWN_SD = {"normal, 0.5 %": 0.005, "normal, 1 %": 0.01, "normal, 2 %": 0.02}
"""Where a calibration is possible in one number."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Shares of suites."""

    red: float
    undecided: float
    fine: float
    red_after_confirmation: float
    """Suspects are launched anew, as often."""
    found: float
    """The changed cell is called slower, at once."""
    missed: float
    """The changed cell is called the same."""


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
    """Suites in which the first cell is slower by a share, or all of them are."""
    generator = np.random.default_rng(seed)
    settings = Settings(metrics=("latency",), calibration=calibration(cells, calibrated_sd))
    counts = dict.fromkeys(Rates.__dataclass_fields__, 0)
    for _ in range(suites):
        first = _compare(draw, generator, range(cells), processes, slower, all_slower, settings)
        counts["red"] += bool(first.regressions)
        counts["undecided"] += not first.regressions and bool(first.undecided)
        counts["fine"] += first.exit_code == 0
        counts["found"] += first.cells[0].verdict == "slower"
        counts["missed"] += first.cells[0].verdict in ("same", "faster")
        suspects = [key.resolution_px for key in first.suspects]
        if suspects:
            fresh = _compare(draw, generator, suspects, processes, slower, all_slower, settings)
            counts["red_after_confirmation"] += bool(first.confirmed_by(fresh).regressions)
    return Rates(**{name: count / suites for name, count in counts.items()})


def calibration(cells: int, sd: float | None) -> Calibration | None:
    if sd is None:
        return None
    noise = {(replace(cell(index), process=0), "latency"): Noise(sd=sd, degrees=19) for index in range(cells)}
    return Calibration(machine={}, noise=noise)


def cell(index: int, process: int = 1) -> Cell:
    # The number stands where resolutions do.
    return Cell(model="simulated", backend="none", resolution_px=index, process=process)


def _compare(
    draw: Draw,
    generator: Generator,
    numbers: Iterable[int],
    processes: int,
    slower: float,
    all_slower: float,
    settings: Settings,
) -> Comparison:
    numbers = list(numbers)
    logs_C2L = draw(generator, len(numbers), processes)
    logs_C2L[:, 1] += np.log1p(all_slower)
    logs_C2L[[number == 0 for number in numbers], 1] += np.log1p(slower)
    base, candidate = (Evidence.of(_rows(numbers, logs_C2L[:, side]), manifest=MANIFEST) for side in (0, 1))
    return compare(base, candidate, settings)


MANIFEST = {"environment": {}, "spec": {}, "finished_at": "then"}


def _rows(numbers: list[int], logs_CL: np.ndarray) -> Iterator[Row]:
    for number, logs_L in zip(numbers, logs_CL, strict=True):
        for process, log in enumerate(logs_L, start=1):
            yield Row.of(cell(number, process), "ok", latency_ms_median=float(10 * np.exp(log)))


def _table(title: str, columns: list[str], rows: Iterable[list[str]]) -> str:
    lines = [f"## {title}", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


def _share(value: float, suites: int) -> str:
    """In percent; of nothing in N suites, what it is below at 95 % confidence (the rule of three)."""
    return f"{100 * value:.1f}" if value else f"0 (< {300 / suites:.2g})"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--suites", type=int, default=2000)
    suites: int = arguments.parse_args().suites
    print(
        "# How often the rule of `dig-bench compare` is wrong\n\n"
        f"Written by `benchmarks/decision_rule.py --suites {suites}`: {suites:,} simulated suites a line, figures in "
        "percent of them. Threshold 2 %, the default rates. Noise is that of log figures between processes; `known` "
        "means that a calibration of 20 processes is given. Red: exit code 1. Confirmed: still red after the suspects "
        "were launched anew, as often.\n"
    )
    identical = []
    for name, draw in NOISES.items():
        for cells, processes in ((12, 3), (12, 5), (12, 10), (48, 5)):
            rates = simulate(draw, cells=cells, processes=processes, suites=suites)
            figures = (rates.red, rates.red_after_confirmation, rates.undecided, rates.fine)
            identical.append([name, str(cells), str(processes), *(_share(figure, suites) for figure in figures)])
    columns = ["noise", "cells", "processes a side", "red", "confirmed", "undecided", "fine"]
    print(_table("Identical code", columns, identical))
    at_threshold = []
    for name in (
        "normal, 1 %",
        "each cell its own, 0.2 to 2 %",
        "heavy tail (t, 3 degrees), 1 %",
        "skewed (exponential), 1 %",
    ):
        for processes in (3, 5, 10):
            rates = simulate(NOISES[name], cells=12, processes=processes, all_slower=0.02, suites=suites)
            at_threshold.append([name, str(processes), _share(rates.red, suites), _share(rates.missed, suites)])
    print(
        _table(
            "Every cell slower by exactly the threshold: the hardest case for the rate of false alarms (1 %)",
            ["noise", "processes a side", "red", "first cell called the same"],
            at_threshold,
        )
    )
    slower = []
    for name, draw in NOISES.items():
        for known in (None, KNOWN_SD.get(name)) if name in KNOWN_SD else (None,):
            for processes in (3, 5, 10):
                row = [name + (", known" if known else ""), str(processes)]
                for change in (0.03, 0.05, 0.1):
                    rates = simulate(
                        draw, cells=12, processes=processes, slower=change, suites=suites, calibrated_sd=known
                    )
                    row += [_share(rates.found, suites), _share(rates.missed, suites)]
                slower.append(row)
    columns = [
        "noise",
        "processes a side",
        *(f"{change} % {what}" for change in (3, 5, 10) for what in ("found", "called the same")),
    ]
    print(_table("One cell of twelve slower", columns, slower))


if __name__ == "__main__":
    main()
