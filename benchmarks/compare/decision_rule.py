"""Simulates how often the rule of `dig-bench compare` is wrong, and how often it detects a change.

    python benchmarks/compare/decision_rule.py --suites 800 > results/decision-rule.md

Draws processes from known noise, and passes them through `compare` like measured ones, once as two folders and once in
turn as `compare --base` does. It takes about a quarter of an hour of one core for 800 suites.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from noises import DRIFTS, KNOWN_SD, NOISES, ONE_AFTER_THE_OTHER, Noise
from simulation import Rates, Suite, simulate, simulate_in_turn

from dig_bench.compare.plan import Plan
from dig_bench.render.markdown import table

THRESHOLD = 0.02

FOLDERS = ((1, 3), (1, 5), (3, 3), (3, 5), (12, 3), (12, 5), (12, 10), (48, 5))
"""(cells, processes a side) of the comparisons of two folders."""

IN_TURN = (1, 12)
"""Cells of the comparisons in turn."""

CHANGES = (0.03, 0.05, 0.1)

PLAN = Plan()


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """Rates of one noise and one kind of comparison: identical code, and every cell slower by the threshold."""

    noise: str
    cells: int
    processes: int
    """Processes a side; 0 in turn."""
    suites: int
    identical: Rates
    at_threshold: Rates


@dataclass(frozen=True, kw_only=True)
class Program:
    suites: int
    seed: int

    def false_alarms(self, noises: dict[str, Noise]) -> Iterator[Simulated]:
        """Yields the rates of all comparisons without a change to report."""
        for name, noise in noises.items():
            for cells, processes in (*FOLDERS, *((cells, 0) for cells in IN_TURN)):
                # Modes in some of the cells are modes in all of few cells, and in turn no side comes after the other.
                if ("of the cells" in name and cells < 12) or (name in ONE_AFTER_THE_OTHER and not processes):
                    continue
                suites = max(self.suites // (1 if processes and cells <= 12 else 2), 1)
                suite = Suite(noise=noise, cells=cells)
                yield Simulated(
                    noise=name,
                    cells=cells,
                    processes=processes,
                    suites=suites,
                    identical=self._rates(suite, processes, suites),
                    at_threshold=self._rates(replace(suite, all_slower=THRESHOLD), processes, suites),
                )
                print(name, cells, processes, file=sys.stderr)

    def power(self, noises: dict[str, Noise]) -> Iterator[list[str]]:
        """Yields the rates when one cell of twelve is slower, without and with a calibration."""
        suites = max(self.suites // 4, 1)
        for name, noise in noises.items():
            for known in (None, KNOWN_SD[name]) if name in KNOWN_SD else (None,):
                for processes in (3, 5, 10, 0):
                    row = [name + (", known" if known else ""), _processes(processes)]
                    for change in CHANGES:
                        suite = Suite(noise=noise, cells=12, slower=change, calibrated_sd=known)
                        rates = self._rates(suite, processes, suites)
                        row += [_share(rates.found, suites), _share(rates.missed, suites)]
                    yield row
            print(name, "power", file=sys.stderr)

    def _rates(self, suite: Suite, processes: int, suites: int) -> Rates:
        if processes:
            return simulate(suite, processes=processes, suites=suites, seed=self.seed)
        return simulate_in_turn(suite, plan=PLAN, suites=suites, seed=self.seed)


def largest(found: Sequence[Simulated]) -> Iterator[list[str]]:
    """Yields the largest share of red suites of each noise: identical code and at the threshold, by processes."""
    kinds = (
        [each for each in found if each.processes == 3],
        [each for each in found if each.processes >= 5],
        [each for each in found if not each.processes],
    )
    for name in (*dict.fromkeys(each.noise for each in found), None):
        row = [name or "**all**"]
        for kind in kinds:
            of_noise = [each for each in kind if name in (None, each.noise)]
            for rates in ("identical", "at_threshold"):
                worst = max(of_noise, key=lambda each: getattr(each, rates).red)
                row.append(_share(getattr(worst, rates).red, worst.suites))
        yield row


def details(found: Iterable[Simulated]) -> Iterator[list[str]]:
    """Yields the rates of each kind of comparison."""
    for each in found:
        same, slower = each.identical, each.at_threshold
        shares = (same.red, same.undecided, same.fine, slower.red, slower.missed)
        row = [each.noise, str(each.cells), _processes(each.processes)]
        yield row + [_share(share, each.suites) for share in shares]


def _processes(count: int) -> str:
    return str(count) if count else "in turn"


def _share(value: float, suites: int) -> str:
    """Returns a share in percent; for zero, its upper limit at 95 % confidence (the rule of three)."""
    return f"{100 * value:.1f}" if value else f"0 (< {300 / suites:.2g})"


def _print(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print("\n".join([f"## {title}", "", *table(columns, rows), ""]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", type=int, default=800)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    program = Program(suites=arguments.suites, seed=arguments.seed)
    found = list(program.false_alarms(NOISES))
    apart = list(program.false_alarms(ONE_AFTER_THE_OTHER))
    power = list(program.power({name: noise for name, noise in NOISES.items() if name not in DRIFTS}))
    print(
        "# Error rates of `dig-bench compare`\n\n"
        f"Written by `benchmarks/compare/decision_rule.py --suites {program.suites} --seed {program.seed}`: "
        f"{program.suites:,} simulated suites per row, half as many for 48 cells and in turn, a quarter for the last "
        "table; shares of them in percent. The threshold is 2 %, the error rates are the default ones. Noise is that "
        "of log values between processes; `known` means with a calibration of 20 processes. Red: exit code 1.\n\n"
        f"In turn is `compare --base`: {PLAN.processes} processes a side, up to {PLAN.max_processes} for undecided "
        f"cells, and for suspects as many fresh ones, which alone decide.\n"
    )
    kinds = ("3 processes", "5 or 10", "in turn")
    columns = [f"{kind}: {what}" for kind in kinds for what in ("identical code", "at the threshold")]
    _print("Largest share of red suites", ["noise", *columns], largest(found))
    print(
        "Identical code has the same distribution on both sides. At the threshold every cell is slower by exactly 2 %, "
        "the largest change that is not to be reported. A machine that changes between two folders measured one after "
        "the other is not in this table; the one below shows that it is a change to the rule.\n"
    )
    columns = ["cells", "processes a side", "red", "undecided", "fine", "red at the threshold", "one cell called same"]
    _print("No change to report", ["noise", *columns], details(found))
    _print("A machine that changes between two folders", ["noise", *columns], details(apart))
    changes = (f"{100 * change:g} % {what}" for change in CHANGES for what in ("found", "called the same"))
    _print("One cell of twelve slower", ["noise", "processes a side", *changes], power)


if __name__ == "__main__":
    main()
