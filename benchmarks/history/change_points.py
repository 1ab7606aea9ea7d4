"""Simulates how often `dig-bench history` finds a change point where there is none, and which changes it finds.

    python benchmarks/history/change_points.py > results/change-points.md

Draws the entries of histories from known noise, and passes them through the finder of `history` like measured ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from noises import NOISES, Noise
from numpy.random import Generator
from numpy.typing import NDArray

from dig_bench.cell import Cell, Key
from dig_bench.compare.evidence import Evidence
from dig_bench.history.boundary import fewest_entries
from dig_bench.history.changes import Change, Point
from dig_bench.history.entries import Entry
from dig_bench.history.environments import Environments
from dig_bench.history.finder import Finder
from dig_bench.history.trends import FALSE_ALARMS
from dig_bench.render.markdown import table

# S series, N entries, P processes of an entry

SERIES = 12
LENGTHS = (8, 30, 100)
CHANGES = (0.03, 0.05, 0.1, 0.2)
CHANGED = 3
"""Series of a history that change, where any do."""

POWER = (
    "normal, 0.5 %",
    "normal, 2 %",
    "heavy tails (t, 3 degrees), 0.5 %",
    "heavy tails (t, 3 degrees), 2 %",
    "entries of two modes, 4 % apart, and 0.5 %",
    "AR(0.8), 0.5 %",
    "AR(0.8), 2 %",
)


@dataclass(kw_only=True)
class Found:
    """Counts of planted changes, and of those that were found."""

    changes: int = 0
    found: int = 0
    holds_size: int = 0
    """Found changes whose interval contains the true size."""
    holds_place: int = 0
    """Found changes whose range of entries contains the true place."""


def find(logs_SNP: NDArray[np.float64]) -> list[list[Change]]:
    """Finds the changes of each series, as `history show` does."""
    entries = logs_SNP.shape[1]
    finder = Finder(environments=_environments(entries), metric="latency", false_alarms=FALSE_ALARMS)
    cells = {_key(number): _points(logs_NP) for number, logs_NP in enumerate(logs_SNP)}
    num_tests = sum(finder.num_tests(points) for points in cells.values())
    finder = Finder(environments=finder.environments, metric="latency", false_alarms=FALSE_ALARMS / num_tests)
    finder = finder.informed(cells.values())
    return [finder.changes(key, points) for key, points in cells.items()]


def unchanged(noise: Noise, entries: int, histories: int, seed: int, series: int = SERIES) -> int:
    """Number of histories that have a change point, though nothing changed."""
    generator = np.random.default_rng([seed, entries, series])
    return sum(any(find(noise.draw(generator, series, entries))) for _ in range(histories))


def changed(noise: Noise, entries: int, since: int, size: float, *, histories: int, generator: Generator) -> Found:
    """Counts found changes, where the first CHANGED of the series change by a share `size` at the entry `since`."""
    counts = Found()
    for _ in range(histories):
        logs_SNP = noise.draw(generator, SERIES, entries)
        logs_SNP[:CHANGED, since:] += np.log1p(size)
        for changes in find(logs_SNP)[:CHANGED]:
            near = [change for change in changes if change.point and change.point.ratio > 1]
            best = min(near, key=lambda change: abs(change.at - since), default=None)
            counts.changes += 1
            if best is not None and best.point is not None:
                counts.found += 1
                counts.holds_size += best.point.low <= 1 + size <= best.point.high
                counts.holds_place += best.point.first <= since <= best.point.last
    return counts


def _environments(entries: int) -> Environments:
    """One environment; each entry has a revision of its own."""
    nothing = Evidence(source="", rows={})
    return Environments(
        entries=tuple(
            Entry(name=str(place), evidence=nothing, revision=str(place), is_dirty=False, measured_at="")
            for place in range(entries)
        ),
        numbers=(0,) * entries,
    )


def _key(number: int) -> Key:
    # The number takes the place of the resolution.
    return Cell(model="simulated", backend="none", resolution_px=number).without("process")


def _points(logs_NP: NDArray[np.float64]) -> list[Point]:
    values = 10 * np.exp(logs_NP)
    return [Point(entry=place, values=tuple(row), status="ok") for place, row in enumerate(values.tolist())]


def false_alarms(noises: Iterable[Noise], histories: Sequence[int], seed: int) -> Iterator[list[str]]:
    """Yields the share of histories with a change point, by noise and number of entries."""
    for noise in noises:
        shares = [
            _share(unchanged(noise, n, number, seed), number) for n, number in zip(LENGTHS, histories, strict=True)
        ]
        yield [noise.name, *shares]


def power(histories: int, seed: int, coverage: dict[str, Found]) -> Iterator[list[str]]:
    """Yields the share of changes that are found, and adds to the coverage of each noise."""
    generator = np.random.default_rng([seed, 2])
    for noise in (each for each in NOISES if each.name in POWER):
        total = coverage.setdefault(noise.name, Found())
        for entries in LENGTHS:
            for place, since in (("in the middle", entries // 2), ("three entries ago", entries - 3)):
                row = []
                for size in CHANGES:
                    found = changed(noise, entries, since, size, histories=histories, generator=generator)
                    row.append(f"{100 * found.found / found.changes:.0f}")
                    for name in Found.__dataclass_fields__:
                        setattr(total, name, getattr(total, name) + getattr(found, name))
                yield [noise.name, str(entries), place, *row]


def _share(count: int, histories: int) -> str:
    """Returns a share in percent; for zero, its upper limit at 95 % confidence (the rule of three)."""
    return f"{100 * count / histories:.1f}" if count else f"0 (< {300 / histories:.2g})"


def _print(title: str, text: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print("\n".join([f"## {title}", "", text, "", *table(columns, rows), ""]), flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--histories", type=int, nargs=3, default=(1000, 500, 300), help="with 8, 30, 100 entries")
    arguments.add_argument("--changed-histories", type=int, default=30)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    histories = options.histories
    print(
        "# Change points of `dig-bench history`\n\n"
        f"Written by `benchmarks/history/change_points.py --histories {' '.join(map(str, histories))} "
        f"--changed-histories {options.changed_histories} --seed {options.seed}`. Each history has {SERIES} series of "
        "latency, whose negligible difference is 2 %, and entries of three processes. A noise of 2 % is the standard "
        "deviation between entries; that between the processes of an entry is half of it.\n"
    )
    lengths = [f"{entries} entries ({number:,} histories)" for entries, number in zip(LENGTHS, histories, strict=True)]
    _print(
        "Nothing changed",
        "Percent of histories that have a change point in any series. The nominal limit is 1 %.",
        ["noise", *lengths],
        false_alarms([each for each in NOISES if each.is_promised], histories, options.seed),
    )
    _print(
        "Nothing changed, but the noise is beyond what the limit is promised for",
        "Percent of histories, as above.",
        ["noise", *lengths],
        false_alarms([each for each in NOISES if not each.is_promised], histories, options.seed),
    )
    coverage: dict[str, Found] = {}
    number = CHANGED * options.changed_histories
    _print(
        "Changes that are found",
        f"Percent of {number} changes, {CHANGED} of the {SERIES} series of each of {options.changed_histories} "
        "histories.",
        ["noise", "entries", "changed", *(f"by {100 * size:g} %" for size in CHANGES)],
        power(options.changed_histories, options.seed, coverage),
    )
    _print(
        "Size and place of the changes that are found",
        "Percent of them, nominally 95. Only changes whose estimate exceeds the limits are found, so sizes of the "
        "smallest ones are overestimated.",
        ["noise", "found", "interval holds the size", "range holds the place"],
        (
            [name, str(each.found), *(f"{100 * held / each.found:.1f}" for held in (each.holds_size, each.holds_place))]
            for name, each in coverage.items()
        ),
    )
    _print(
        "Entries that a change of less than three times the negligible difference needs",
        "Computed, for a change in the middle of them. Fewer entries can be split in two by chance too often, whatever "
        "the noise.",
        ["series in the history", "entries"],
        ([str(series), str(fewest_entries(FALSE_ALARMS / series))] for series in (1, 4, 12, 50, 200, 1000)),
    )


if __name__ == "__main__":
    main()
