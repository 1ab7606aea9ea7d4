"""The decision rule over simulated suites of known noise: how often it is wrong, how often it detects a change.

benchmarks/compare/decision_rule.py has the full table. Seeds are fixed, so that the counts never vary.
"""

import importlib
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3] / "benchmarks" / "compare"))
rule = importlib.import_module("decision_rule")
noises = importlib.import_module("noises")
SUITES = 100


@pytest.mark.parametrize("noise", [name for name in noises.NOISES if "A then B" not in name])
@pytest.mark.parametrize("processes", [3, 5])
def test_identical_code_is_not_red(noise: str, processes: int) -> None:
    assert rule.simulate(noises.NOISES[noise], cells=12, processes=processes, suites=SUITES).red == 0


def test_the_rate_of_false_alarms_holds_where_it_is_hardest_to() -> None:
    """Every cell is slower by exactly the threshold. At a rate of 1 %, more than 8 of 300 happen once in 250 times."""
    rates = rule.simulate(noises.normal(0.01), cells=12, processes=4, all_slower=0.02, suites=300)
    assert rates.red * 300 <= 8


def test_the_rate_holds_for_many_cells_that_share_their_noise_unequally() -> None:
    rates = rule.simulate(noises.unequal(0.002, 0.02), cells=48, processes=3, all_slower=0.02, suites=100)
    assert rates.red * 100 <= 5


@pytest.mark.parametrize(
    ("noise", "processes", "at_least"), [("normal, 0.5 %", 3, 0.95), ("normal, 1 %", 5, 0.8), ("normal, 1 %", 10, 0.99)]
)
def test_five_percent_are_found_and_never_called_the_same(noise: str, processes: int, at_least: float) -> None:
    rates = rule.simulate(noises.NOISES[noise], cells=12, processes=processes, slower=0.05, suites=SUITES)
    assert rates.found >= at_least
    assert rates.missed == 0


def test_known_noise_finds_more() -> None:
    options = {"cells": 4, "processes": 3, "slower": 0.05, "suites": SUITES}
    alone, known = (rule.simulate(noises.normal(0.01), calibrated_sd=sd, **options).found for sd in (None, 0.01))
    assert known > alone + 0.2


def test_drift_is_a_change_unless_the_sides_are_interleaved() -> None:
    sides = ("drift of 2 %, A then B", "drift of 2 %, A B B A")
    apart, interleaved = (rule.simulate(noises.NOISES[name], cells=12, processes=5, suites=SUITES) for name in sides)
    assert apart.fine == 0
    assert interleaved.fine > 0.8
