"""The decision rule over simulated suites of known noise: how often it is wrong, how often it detects a change.

benchmarks/compare/decision_rule.py has the full table. Seeds are fixed, so that the counts never vary.
"""

import importlib
import re
import sys
from pathlib import Path

import pytest

from dig_bench.compare.plan import Plan

ROOT = Path(__file__).parents[3]
sys.path.append(str(ROOT / "benchmarks" / "compare"))
simulation = importlib.import_module("simulation")
noises = importlib.import_module("noises")
rule = importlib.import_module("decision_rule")
SUITES = 60


def rates(noise: object, *, cells: int = 12, processes: int = 5, suites: int = SUITES, **suite: float) -> object:
    return simulation.simulate(
        simulation.Suite(noise=noise, cells=cells, **suite), processes=processes, suites=suites, seed=2
    )


@pytest.mark.parametrize("noise", noises.NOISES)
def test_identical_code_is_not_red(noise: str) -> None:
    assert rates(noises.NOISES[noise]).red == 0


@pytest.mark.parametrize("processes", [3, 5])
def test_two_modes_in_all_cells_are_no_false_alarm(processes: int) -> None:
    """Identical code. Chance separates a cell in 12 / 4^3 = 19 % of suites of three processes, and in 1.2 % of five."""
    found = rates(noises.two_modes(0.002, 0.1), processes=processes, suites=200)
    assert found.red == 0


def test_three_processes_of_one_cell_with_two_modes_are_wrong_as_often_as_stated() -> None:
    """Nothing tells the modes from a change: 1.6 %, or 1 in 4^3. More than 19 of 600 happen once in 700 times."""
    found = rates(noises.two_modes(0.002, 0.1), cells=1, processes=3, suites=600)
    assert 1 <= found.red * 600 <= 19


def test_two_modes_in_turn_are_no_false_alarm_at_the_threshold_either() -> None:
    suite = simulation.Suite(noise=noises.two_modes(0.003, 0.04), cells=6, all_slower=0.02)
    assert simulation.simulate_in_turn(suite, plan=Plan(), suites=40, seed=2).red == 0


@pytest.mark.parametrize("noise", [noises.normal(0.01), noises.unequal(0.002, 0.02)], ids=["alike", "unequal"])
def test_the_rate_of_false_alarms_holds_where_it_is_hardest_to(noise: object) -> None:
    """Every cell is slower by exactly the threshold. At a rate of 1 %, more than 6 of 200 happen once in 220 times."""
    assert rates(noise, all_slower=0.02, suites=200).red * 200 <= 6


@pytest.mark.parametrize(
    ("noise", "processes", "at_least"),
    [("normal, 0.5 %", 3, 0.9), ("normal, 0.5 %", 5, 0.99), ("normal, 1 %", 5, 0.7), ("normal, 1 %", 10, 0.99)],
)
def test_five_percent_are_found_and_never_called_the_same(noise: str, processes: int, at_least: float) -> None:
    found = rates(noises.NOISES[noise], processes=processes, slower=0.05)
    assert found.found >= at_least
    assert found.missed == 0


def test_known_noise_finds_more() -> None:
    alone, known = (rates(noises.normal(0.01), cells=4, slower=0.05, calibrated_sd=sd).found for sd in (None, 0.01))
    assert known > alone + 0.2


def test_drift_is_a_change_unless_the_sides_are_interleaved() -> None:
    apart = rates(noises.ONE_AFTER_THE_OTHER["drift of 2 %, A then B"])
    interleaved = rates(noises.NOISES["drift of 2 %, A B B A"])
    assert apart.fine == 0
    assert interleaved.fine > 0.8


def test_a_sudden_slow_down_of_the_machine_is_no_regression_in_turn() -> None:
    assert rates(noises.NOISES["sudden slow-down by 5 %, A B B A"], suites=100).red == 0


def test_the_documentation_states_the_largest_rates_of_the_committed_table() -> None:
    lines = (ROOT / "results" / "decision-rule.md").read_text(encoding="utf-8").splitlines()
    (every,) = [line for line in lines if line.startswith("| **all**")]
    stated = " ".join((ROOT / "docs" / "comparing.md").read_text(encoding="utf-8").split())
    for cell in every.split("|")[2:-1]:
        assert re.search(rf"\b{re.escape(cell.strip())} %", stated), cell
