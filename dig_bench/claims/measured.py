"""Results folders as what claims are about: ratios between two models on one machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Literal

from dig_bench.cell import Key, Row
from dig_bench.compare.conditions import differences
from dig_bench.compare.decision import MIN_PROCESSES, decide
from dig_bench.compare.evidence import Evidence, read_evidence
from dig_bench.results.metrics import Threshold
from dig_bench.results.store import ROWS

Basis = Literal["processes", "calls", "range"]
"""Where an interval comes from: the spread between processes, that of the calls within them, or the range of figures
that are the same in every process."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Theirs over ours: how many times as fast, or as frugal, ours is. The interval is of 95 %; 0 to infinity when
    nothing is known of it."""

    value: float
    low: float
    high: float
    evidence: Basis
    processes: tuple[int, int]
    """Of ours and of theirs."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Everything that was measured on one machine under one protocol, whichever folders it lies in."""

    sides: tuple[Evidence, ...]

    @cached_property
    def processes(self) -> Evidence:
        """Rows of one cell in several folders are processes of it."""
        rows = [row for side in self.sides for rows in side.rows.values() for row in rows]
        return Evidence.of(rows, source=", ".join(side.source for side in self.sides), manifest=self.sides[0].manifest)

    @property
    def device_name(self) -> str:
        """Of the measured rows, else what the manifest says; empty when neither does."""
        names = sorted({row.device_name for row in self.processes.measured if row.device_name})
        environment = self.sides[0].manifest["environment"] if self.sides[0].manifest else {}
        return ", ".join(names) or str(environment.get("gpu_name") or environment.get("cpu") or "")


def read_machines(paths: Iterable[Path]) -> list[Machine]:
    """Folders that differ in no condition are one machine; a table without a manifest is a machine of its own. A folder
    of such folders is all of them. StoreError for a missing or broken file, ValueError for one that is given twice."""
    groups: list[list[Evidence]] = []
    seen: dict[bytes, Path] = {}
    for path in chain.from_iterable(map(_sweeps, paths)):
        side = read_evidence(path)
        rows = (path / ROWS if path.is_dir() else path).read_bytes()
        if rows in seen:
            raise ValueError(f"{path} is given twice: its rows are those of {seen[rows]}")
        seen[rows] = path
        alike = next((group for group in groups if _alike(group[0], side)), None)
        if alike is None:
            groups.append([side])
        else:
            alike.append(side)
    return [Machine(sides=tuple(group)) for group in groups]


def _sweeps(path: Path) -> list[Path]:
    below = [] if (path / ROWS).exists() else sorted(table.parent for table in path.glob(f"*/{ROWS}"))
    return below or [path]


def speed(processes: Evidence, key: Key) -> float | None:
    """Images per second, of the geometric mean of the processes; None without a latency that can be trusted."""
    latencies_ms = processes.figures(key, "latency")
    return key.batch_size * 1e3 / statistics.geometric_mean(latencies_ms) if latencies_ms else None


def speed_ratio(processes: Evidence, ours: Key, theirs: Key) -> Ratio | None:
    """None when either has no figure that can be trusted.

    With three processes or more a side by their spread, as `compare` decides. Otherwise from the intervals of the
    medians, which say nothing of other processes: their ends are combined by the method of variance estimates recovery
    (Zou and Donner, doi 10.1002/sim.3095) on the logarithms; a cell's interval is the hull of its processes'.
    """
    figures = [processes.figures(key, "latency") for key in (ours, theirs)]
    if not all(figures):
        return None
    counts = len(figures[0]), len(figures[1])
    if min(counts) >= MIN_PROCESSES:
        decision = decide(figures[0], figures[1], threshold=Threshold(relative=0.0))
        return Ratio(
            value=decision.ratio,
            low=decision.ratio_low,
            high=decision.ratio_high,
            evidence="processes",
            processes=counts,
        )
    (our_mean, our_below, our_above), (their_mean, their_below, their_above) = (
        _log_interval(processes.rows[key], values) for key, values in zip((ours, theirs), figures, strict=True)
    )
    difference = their_mean - our_mean
    return Ratio(
        value=math.exp(difference),
        low=math.exp(difference - math.hypot(their_below, our_above)),
        high=_exp(difference + math.hypot(their_above, our_below)),
        evidence="calls",
        processes=counts,
    )


def memory_ratio(processes: Evidence, ours: Key, theirs: Key) -> Ratio | None:
    """Of peak allocated memory: the range of all processes' ratios."""
    our_mib, their_mib = (processes.figures(key, "memory") for key in (ours, theirs))
    if not our_mib or not their_mib:
        return None
    decision = decide(our_mib, their_mib, threshold=Threshold(relative=0.0), repeatable=True)
    return Ratio(
        value=decision.ratio,
        low=decision.ratio_low,
        high=decision.ratio_high,
        evidence="range",
        processes=(len(our_mib), len(their_mib)),
    )


def _alike(one: Evidence, other: Evidence) -> bool:
    return one.manifest is not None and other.manifest is not None and not differences(one, other)


def _log_interval(rows: Iterable[Row], figures: list[float]) -> tuple[float, float, float]:
    """Mean logarithm, and how far the interval reaches below and above it."""
    mean = math.fsum(map(math.log, figures)) / len(figures)
    ends = list(_ends(rows))
    if None in ends:
        return mean, math.inf, math.inf
    lows, highs = zip(*(end for end in ends if end is not None), strict=True)
    return mean, max(mean - math.log(min(lows)), 0.0), max(math.log(max(highs)) - mean, 0.0)


def _ends(rows: Iterable[Row]) -> Iterator[tuple[float, float] | None]:
    """Of the interval of each process that has a figure; None where it has no sound one."""
    for row in rows:
        if row.measured and row.status != "throttled":
            low, high = row.latency_ms_ci_low, row.latency_ms_ci_high
            yield (low, high) if low is not None and high is not None and 0 < low <= high < math.inf else None


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
