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


KINDS = {
    "one mode": ("normal", "each cell", "heavy", "skewed"),
    "5 or 30 % of processes 10 % slower": ("stragglers",),
    "two modes": ("two modes",),
    "a machine that drifts, A B B A": ("drift", "sudden"),
}


def rows_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"][2:]


def largest(shares: list[str]) -> str:
    return max(shares, key=lambda share: 0.0 if "<" in share else float(share))


def test_the_documentation_states_the_largest_rates_of_the_committed_table_by_kind_of_noise() -> None:
    results = (ROOT / "results" / "decision-rule.md").read_text(encoding="utf-8")
    shares = {row[0]: row[1:] for row in rows_of(results.split("## ")[1])}
    expected = [
        [kind, *(largest([of[column] for name, of in shares.items() if name.startswith(names)]) for column in columns)]
        for columns in ((0, 2, 4), (1, 3, 5))
        for kind, names in KINDS.items()
    ]
    assert {name for names in KINDS.values() for name in names if any(row.startswith(name) for row in shares)} == {
        name for names in KINDS.values() for name in names
    }
    stated = (ROOT / "docs" / "comparing.md").read_text(encoding="utf-8")
    identical, at_threshold = (
        rows_of(part.split("\n\n")[1]) for part in re.split("Identical code:|reported:", stated)[1:]
    )
    assert [*identical, *at_threshold] == expected


def test_the_help_states_the_largest_rates_of_identical_code() -> None:
    results = (ROOT / "results" / "decision-rule.md").read_text(encoding="utf-8")
    (every,) = [row for row in rows_of(results.split("## ")[1]) if row[0] == "**all**"]
    text = (ROOT / "dig_bench" / "cli" / "decision_options.py").read_text(encoding="utf-8")
    assert f"up to {every[1]} % with 3" in text
    assert f"up to {every[3]} % with 5, none of 400 in turn" in text
    assert every[5].startswith("0 (<")
