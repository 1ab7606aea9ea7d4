"""Measured ratios of speed and memory, and their intervals."""

import math
import random
from collections.abc import Iterable

import pytest

from claim_rows import timed
from dig_bench.cell import Key, Row
from dig_bench.claims.ratios import memory_ratio, speed_ratio
from dig_bench.compare.evidence import Evidence


def pair(ours: Iterable[Row], theirs: Iterable[Row]) -> tuple[Evidence, Key, Key]:
    evidence = Evidence.of([*ours, *theirs])
    our_key, their_key = sorted(evidence.rows, key=lambda key: key.model)
    return evidence, our_key, their_key


def test_the_interval_comes_from_timing_samples_until_both_sides_have_three_processes() -> None:
    ours = [timed("DiG-S/2@fla", 1792, 10.0, 0.03, process=process) for process in (1, 2, 3)]
    theirs = [timed("DiT-S/2@math", 1792, 25.0 * (1 + process / 1e3), 0.04, process=process) for process in (1, 2, 3)]
    few = speed_ratio(*pair(ours[:1], theirs))
    many = speed_ratio(*pair(ours, theirs))
    assert few
    assert many
    assert (few.basis, few.processes) == ("samples", (1, 3))
    assert (many.basis, many.processes) == ("processes", (3, 3))
    assert few.value == pytest.approx(2.505, rel=1e-3)
    # The intervals of the two medians in quadrature, and of theirs the hull of three.
    assert math.log(few.high / few.value) == pytest.approx(math.hypot(math.log(1.03), math.log(1.041)), rel=0.01)
    assert few.low < many.low < many.value < many.high < few.high


def test_the_interval_from_timing_samples_covers_the_true_ratio_in_95_percent_of_cases() -> None:
    """Medians with an error of 1 and 2 per cent, known with intervals of 1.96 times that."""
    numbers = random.Random(5)
    held = 0
    for _ in range(2000):
        rows = []
        for name, true_ms, sd in (("DiG-S/2@fla", 10.0, 0.01), ("DiT-S/2@math", 25.0, 0.02)):
            median = true_ms * math.exp(numbers.gauss(0, sd))
            rows.append(timed(name, 1792, median, math.expm1(1.96 * sd)))
        found = speed_ratio(*pair(rows[:1], rows[1:]))
        assert found
        held += found.low <= 2.5 <= found.high
    assert 0.935 < held / 2000 < 0.965


def test_the_interval_of_memory_is_the_range_over_processes() -> None:
    ours = [timed("DiG-S/2@fla", 1792, 10.0, peak_allocated_mib=mib, process=n) for n, mib in ((1, 100.0), (2, 101.0))]
    theirs = [timed("DiT-S/2@math", 1792, 10.0, peak_allocated_mib=400.0)]
    found = memory_ratio(*pair(ours, theirs))
    assert found
    assert (found.low, found.high) == (pytest.approx(400 / 101), pytest.approx(4.0))
