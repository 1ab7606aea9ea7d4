"""Change points: found where a level changes, and no more often than allowed where none does.

Seeds are fixed, so that the counts never vary. benchmarks/history/change_points.py has the full table.
"""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dig_bench.compare.calibration import Noise
from dig_bench.compare.noise import prior
from dig_bench.history.boundary import fewest_entries, rank_p_value, t_p_value
from dig_bench.history.change_points import find, level_change, noise
from dig_bench.history.levels import MIN_LEVEL, num_splits
from dig_bench.history.spread import Spread
from dig_bench.results.metrics import Threshold

ROOT = Path(__file__).parents[3]
TWO_PERCENT = Threshold(relative=0.02)
NOTHING = Threshold(relative=0.0)


def series(
    levels: list[float], *, seed: int = 0, entry_noise: float = 0.003, process_noise: float = 0.003, processes: int = 3
) -> list[list[float]]:
    numbers = np.random.default_rng(seed)
    entries = numbers.normal(0, entry_noise, len(levels))
    return [
        [level * math.exp(entry + numbers.normal(0, process_noise)) for _ in range(processes)]
        for level, entry in zip(levels, entries, strict=True)
    ]


def test_a_change_point_has_the_right_place_and_size() -> None:
    (point,) = find(series([10.0] * 8 + [10.6] * 6), threshold=TWO_PERCENT)
    assert point.at == 8
    assert point.first <= 8 <= point.last
    assert point.low < 1.06 < point.high
    assert point.ratio == pytest.approx(1.06, rel=0.01)
    assert point.entries == (8, 6)


def test_several_rises_and_falls_are_found() -> None:
    levels = [10.0] * 8 + [11.0] * 8 + [10.4] * 8 + [8.0] * 8
    assert [point.at for point in find(series(levels), threshold=TWO_PERCENT)] == [8, 16, 24]


def test_a_rise_that_a_fall_undoes_soon_after_is_found() -> None:
    """Binary segmentation would miss both: neither stands out alone."""
    levels = [10.0] * 12 + [10.8] * 3 + [10.0] * 12
    assert [point.at for point in find(series(levels), threshold=TWO_PERCENT)] == [12, 15]


@pytest.mark.parametrize("outliers", [1, 2])
def test_one_or_two_outliers_are_no_level_wherever_they_are(outliers: int) -> None:
    for place in (0, 7, 16 - outliers):
        levels = [10.0] * 16
        levels[place : place + outliers] = [15.0] * outliers
        assert find(series(levels), threshold=TWO_PERCENT) == []


def test_the_third_entry_of_a_new_level_shows_it() -> None:
    (point,) = find(series([10.0] * 15 + [11.0] * 3), threshold=TWO_PERCENT)
    assert (point.at, point.entries) == (15, (15, 3))


def test_an_outlier_does_not_hide_a_change() -> None:
    levels = [10.0] * 15 + [11.5] * 15
    levels[5] = levels[20] = 14.0
    (point,) = find(series(levels), threshold=TWO_PERCENT)
    assert point.at == 15


@pytest.mark.parametrize("levels", [[10.0] * 20, [10.0] * 10 + [10.15] * 10, [10.0, 10.1] * 10])
def test_noise_and_negligible_changes_are_no_change_points(levels: list[float]) -> None:
    assert find(series(levels), threshold=TWO_PERCENT) == []


def test_a_drift_below_the_threshold_is_no_change_point() -> None:
    drift = [10.0 * (1 + 0.0005 * place) for place in range(20)]
    assert find(series(drift), threshold=TWO_PERCENT) == []


def test_too_few_entries_have_no_change_point() -> None:
    for count in range(1, 2 * MIN_LEVEL):
        levels = [10.0] * (count // 2) + [20.0] * (count - count // 2)
        assert find(series(levels), threshold=TWO_PERCENT) == []
    assert find([], threshold=TWO_PERCENT) == []
    quiet = series([10.0] * 3 + [20.0] * 3, entry_noise=1e-4, process_noise=1e-4)
    assert [point.at for point in find(quiet, threshold=TWO_PERCENT)] == [3]


def test_small_changes_need_more_entries() -> None:
    """4 and 4 entries of two modes are in this order with a probability of 2 / 70, however quiet each mode is."""
    quiet = {"entry_noise": 1e-4, "process_noise": 1e-4}
    needed = fewest_entries(0.01)
    assert needed == 13
    for count, size, is_found in ((needed - 1, 10.4, False), (needed, 10.4, True), (8, 10.4, False), (8, 10.8, True)):
        levels = [10.0] * (count // 2) + [size] * (count - count // 2)
        assert bool(find(series(levels, **quiet), threshold=TWO_PERCENT)) == is_found


def test_the_splits_into_levels_are_counted() -> None:
    assert [num_splits(count, 2) for count in (5, 6, 7, 8)] == [0, 1, 2, 3]
    assert [num_splits(count, 3) for count in (8, 9, 10)] == [0, 1, 3]
    assert num_splits(100_000, 900) == 1e300


def test_the_rank_test_is_exact_for_separate_levels_of_any_distance() -> None:
    before = np.array([1.0, 2.0, 3.0])
    for distance in (11.0, 1e6):
        assert rank_p_value(before, before + distance, 5.0) == pytest.approx(2 / 20)
    assert rank_p_value(before, before + 5.0, 5.0) > 0.5
    assert rank_p_value(np.ones(5), np.ones(5), 0.0) == 1.0


def test_autocorrelation_widens_the_t_test() -> None:
    before, after = np.array([1.0, 2.0, 3.0]), np.array([14.0, 15.0, 16.0])
    alone = Spread(variance=1.0, degrees=4, lag_1=0.0)
    assert t_p_value(before, after, alone, 0.0) == pytest.approx(9.1e-5, rel=0.01)  # t = 15.9, 4 degrees
    assert t_p_value(before, after, replace(alone, lag_1=0.5), 0.0) > t_p_value(before, after, alone, 0.0)
    assert t_p_value(before, before + 1.0, alone, 1.0) == 1.0


def test_processes_that_agree_do_not_hide_the_spread_between_entries() -> None:
    """The processes of one entry share a day: however many there are, the entry is one piece of evidence."""
    for seed in range(50):
        found = series([10.0] * 8, seed=seed, entry_noise=0.03, process_noise=1e-4, processes=20)
        assert find(found, threshold=TWO_PERCENT, false_alarms=1e-3) == []


def test_entries_that_agree_by_chance_do_not_hide_the_spread_between_processes() -> None:
    entries = [[level * 0.7, level / 0.7] for level in [10.0] * 4 + [12.6] * 4]
    assert find(entries, threshold=TWO_PERCENT) == []
    assert find([[math.sqrt(a * b)] for a, b in entries], threshold=TWO_PERCENT)


def test_values_without_any_spread_change_where_they_differ() -> None:
    (point,) = find([[10.0]] * 4 + [[11.0]] * 4, threshold=TWO_PERCENT)
    assert (point.at, point.first, point.last) == (4, 4, 4)
    assert point.low == pytest.approx(point.high)
    assert find([[10.0]] * 8, threshold=TWO_PERCENT) == []


def test_repeatable_values_change_where_they_exceed_the_threshold() -> None:
    memory = Threshold(relative=0.01, absolute=32.0)
    values = [[1000.0, 1001.0], [1001.0], [1065.0], [1065.0], [1080.0], [1000.0]]
    found = find(values, threshold=memory, repeatable=True)
    assert [(point.at, round(point.ratio, 3)) for point in found] == [(2, 1.069), (5, 0.935)]
    creeping = [[1000.0 + 10 * place] for place in range(8)]
    assert [point.at for point in find(creeping, threshold=memory, repeatable=True)] == [4]


def test_the_range_contains_the_true_place_with_its_confidence() -> None:
    held = found = 0
    for seed in range(400):
        found_points = find(series([10.0] * 15 + [10.5] * 15, seed=seed, entry_noise=0.01), threshold=NOTHING)
        if len(found_points) == 1:
            found += 1
            held += found_points[0].first <= 15 <= found_points[0].last
    assert found > 250
    assert held / found > 0.93


@pytest.mark.parametrize(("entry_noise", "process_noise"), [(0.01, 0.01), (0.01, 0.0), (0.0, 0.01)])
def test_false_alarms_are_no_more_frequent_than_allowed(entry_noise: float, process_noise: float) -> None:
    """Without a threshold; with one they are rarer still."""
    alarms = sum(
        bool(
            find(
                series([10.0] * 12, seed=seed, entry_noise=entry_noise, process_noise=process_noise),
                threshold=NOTHING,
                false_alarms=0.05,
            )
        )
        for seed in range(600)
    )
    # Three standard deviations above 5 %.
    assert alarms / 600 < 0.077


def test_the_noise_of_other_series_adds_power() -> None:
    true_sd = math.hypot(0.003, 0.003 / math.sqrt(3))
    calm = [series([10.0] * 8, seed=seed) for seed in range(20)]
    known = prior([noise(each, []) for each in calm])
    assert known
    # Eight entries may hide autocorrelation, which would make the true spread so much larger.
    assert true_sd < known.sd < 3 * true_sd
    alone = alike = 0
    for seed in range(100, 160):
        short = series([10.0] * 4 + [10.7] * 4, seed=seed)
        alone += bool(find(short, threshold=TWO_PERCENT, false_alarms=1e-4))
        alike += bool(find(short, threshold=TWO_PERCENT, false_alarms=1e-4, prior=known))
    assert alone < 25
    assert alike > 50


def test_other_series_weigh_no_more_than_the_series_itself() -> None:
    """They share its days: if the noise is that of the machine, they know no more than one of them."""
    own = Spread(variance=1.0, degrees=6, lag_1=0.0)
    both = own.moderated(Noise(sd=2.0, degrees=50))
    assert (both.variance, both.degrees) == (pytest.approx(2.5), 12)


def autoregressive(entries: int, rho: float, numbers: np.random.Generator) -> np.ndarray:
    values = numbers.standard_normal(entries)
    for place in range(1, entries):
        values[place] = rho * values[place - 1] + math.sqrt(1 - rho * rho) * values[place]
    return values


UNCHANGED = {
    "heavy tails": lambda entries, numbers: numbers.standard_t(3, entries) / math.sqrt(3),
    "two modes": lambda entries, numbers: numbers.normal(0, 0.25, entries) + 2 * (numbers.random(entries) < 0.5),
    "AR(0.5)": lambda entries, numbers: autoregressive(entries, 0.5, numbers),
    "AR(0.8)": lambda entries, numbers: autoregressive(entries, 0.8, numbers),
}
"""Draws of the noise of entries, of a standard deviation of about 1."""


@pytest.mark.parametrize("shape", UNCHANGED)
def test_no_kind_of_noise_raises_false_alarms(shape: str) -> None:
    """These noises, of 2 %, had a change point in up to 13 % of the series when entries were taken for normal."""
    for entries, count in ((8, 300), (30, 200), (100, 80)):
        numbers = np.random.default_rng(entries)
        alarms = 0
        for _ in range(count):
            logs = 0.02 * UNCHANGED[shape](entries, numbers)
            values = 10 * np.exp(logs[:, None] + numbers.normal(0, 0.01, (entries, 3)))
            alarms += bool(find(values.tolist(), threshold=TWO_PERCENT))
        assert alarms <= 1


def test_a_series_that_is_noisier_than_the_others_ignores_their_noise() -> None:
    known = prior([noise(series([10.0] * 8, seed=seed), []) for seed in range(20)])
    for seed in range(50):
        wild = series([10.0] * 8, seed=seed, entry_noise=0.05)
        assert find(wild, threshold=TWO_PERCENT, false_alarms=1e-3, prior=known) == []


def test_a_known_place_is_tested_for_a_change() -> None:
    before, after = series([10.0] * 5), series([10.6] * 3, seed=1)
    point = level_change(before, after, threshold=TWO_PERCENT)
    assert point
    assert (point.at, point.entries) == (5, (5, 3))
    assert level_change(before, series([10.0] * 3, seed=2), threshold=TWO_PERCENT) is None
    assert level_change(before[:1], after[:1], threshold=TWO_PERCENT) is None
    assert level_change([[100.0]], [[200.0]], threshold=TWO_PERCENT, repeatable=True)


@pytest.mark.parametrize("value", [1e-300, 1e300])
def test_extreme_values_break_nothing(value: float) -> None:
    for point in find(series([10.0] * 8) + [[value]] * 3, threshold=TWO_PERCENT):
        assert point.ratio > 0


def test_the_documentation_shows_what_the_simulation_found() -> None:
    results = (ROOT / "results" / "change-points.md").read_text(encoding="utf-8")
    documented = (ROOT / "docs" / "comparing.md").read_text(encoding="utf-8").split("## History")[1]
    rows = re.findall(r"^\| ((?:normal|AR).*?) \| (\d+) \|(.*)$", documented, re.MULTILINE)
    assert len(rows) == 9
    for noise_name, entries, found in rows:
        assert f"| {noise_name} | {entries} | in the middle |{found}" in results
    promised = results.split("## Nothing changed\n")[1].split("##")[0]
    rates = [float(rate) for rate in re.findall(r"\| (\d+(?:\.\d+)?)(?= [(|])", promised)]
    assert len(rates) == 16 * 3
    assert f"At most {max(rates):g} % of them" in documented
    for series in (1, 12, 50, 200):
        assert f"| {series} | {fewest_entries(0.01 / series)} |" in results
