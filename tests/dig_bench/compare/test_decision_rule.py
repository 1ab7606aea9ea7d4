"""The rule of decision over simulated suites of known noise: how often it is wrong, how often it finds a change.

benchmarks/decision_rule.py has the full table; seeds are fixed here, so that a count never wavers.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks" / "decision_rule.py"
    spec = importlib.util.spec_from_file_location("decision_rule", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look for the module of their annotations.
    sys.modules["decision_rule"] = module
    spec.loader.exec_module(module)
    return module


rule = load()
SUITES = 100


@pytest.mark.parametrize("noise", [name for name in rule.NOISES if "A then B" not in name])
@pytest.mark.parametrize("processes", [3, 5])
def test_identical_code_is_not_red(noise: str, processes: int) -> None:
    assert rule.simulate(rule.NOISES[noise], cells=12, processes=processes, suites=SUITES).red == 0


def test_the_rate_of_false_alarms_holds_where_it_is_hardest_to() -> None:
    """Every cell is slower by exactly what is negligible. At a rate of 1 %, more than 8 of 300 come once in 250."""
    rates = rule.simulate(rule.normal(0.01), cells=12, processes=4, all_slower=0.02, suites=300)
    assert rates.red * 300 <= 8


def test_the_rate_holds_for_many_cells_that_share_their_noise_unequally() -> None:
    rates = rule.simulate(rule.unequal(0.002, 0.02), cells=48, processes=3, all_slower=0.02, suites=100)
    assert rates.red * 100 <= 5


@pytest.mark.parametrize(
    ("noise", "processes", "at_least"), [("normal, 0.5 %", 3, 0.95), ("normal, 1 %", 5, 0.8), ("normal, 1 %", 10, 0.99)]
)
def test_five_percent_are_found_and_never_called_the_same(noise: str, processes: int, at_least: float) -> None:
    rates = rule.simulate(rule.NOISES[noise], cells=12, processes=processes, slower=0.05, suites=SUITES)
    assert rates.found >= at_least
    assert rates.missed == 0


def test_known_noise_finds_more() -> None:
    options = {"cells": 4, "processes": 3, "slower": 0.05, "suites": SUITES}
    alone, known = (rule.simulate(rule.normal(0.01), calibrated_sd=sd, **options).found for sd in (None, 0.01))
    assert known > alone + 0.2


def test_drift_is_a_change_unless_the_sides_are_interleaved() -> None:
    sides = ("drift of 2 %, A then B", "drift of 2 %, A B B A")
    apart, interleaved = (rule.simulate(rule.NOISES[name], cells=12, processes=5, suites=SUITES) for name in sides)
    assert apart.fine == 0
    assert interleaved.fine > 0.8
