"""Change points: found where a level changes, and no more often than allowed where none does."""

import math

import numpy as np
import pytest

from dig_bench.compare.noise import prior
from dig_bench.history.change_points import MIN_FREE, find, level_change, noise
from dig_bench.results.metrics import Threshold

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
    levels = [10.0] * 12 + [10.8] * 2 + [10.0] * 12
    assert [point.at for point in find(series(levels), threshold=TWO_PERCENT)] == [12, 14]


def test_the_last_entry_alone_can_be_a_new_level() -> None:
    (point,) = find(series([10.0] * 15 + [11.0]), threshold=TWO_PERCENT)
    assert (point.at, point.entries) == (15, (15, 1))


@pytest.mark.parametrize("levels", [[10.0] * 20, [10.0] * 10 + [10.15] * 10, [10.0, 10.1] * 10])
def test_noise_and_negligible_changes_are_no_change_points(levels: list[float]) -> None:
    assert find(series(levels), threshold=TWO_PERCENT) == []


def test_a_drift_below_the_threshold_is_no_change_point() -> None:
    drift = [10.0 * (1 + 0.0005 * place) for place in range(20)]
    assert find(series(drift), threshold=TWO_PERCENT) == []


def test_too_few_entries_have_no_change_point() -> None:
    for count in range(1, MIN_FREE + 2):
        levels = [10.0] * (count - 1) + [20.0]
        assert find(series(levels), threshold=TWO_PERCENT) == []
    assert find([], threshold=TWO_PERCENT) == []
    quiet = series([10.0, 10.0, 20.0, 20.0], entry_noise=1e-4, process_noise=1e-4)
    assert [point.at for point in find(quiet, threshold=TWO_PERCENT)] == [2]


def test_processes_that_agree_do_not_hide_the_spread_between_entries() -> None:
    """The processes of one entry share a day: however many there are, the entry is one piece of evidence."""
    for seed in range(50):
        found = series([10.0] * 4, seed=seed, entry_noise=0.03, process_noise=1e-4, processes=20)
        assert find(found, threshold=TWO_PERCENT, false_alarms=1e-3) == []


def test_entries_that_agree_by_chance_do_not_hide_the_spread_between_processes() -> None:
    entries = [[level * 0.9, level / 0.9] for level in [10.0] * 4 + [12.6] * 4]
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
        found_points = find(series([10.0] * 10 + [10.35] * 10, seed=seed, entry_noise=0.01), threshold=NOTHING)
        if len(found_points) == 1:
            found += 1
            held += found_points[0].first <= 10 <= found_points[0].last
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
    calm = [series([10.0] * 8, seed=seed) for seed in range(20)]
    known = prior([noise(each, []) for each in calm])
    assert known
    assert known.sd == pytest.approx(math.hypot(0.003, 0.003 / math.sqrt(3)), rel=0.2)
    alone = alike = 0
    for seed in range(100, 160):
        short = series([10.0, 10.0, 10.0, 10.6], seed=seed)
        alone += bool(find(short, threshold=TWO_PERCENT, false_alarms=1e-3))
        alike += bool(find(short, threshold=TWO_PERCENT, false_alarms=1e-3, prior=known))
    assert alone < 20
    assert alike > 50


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
