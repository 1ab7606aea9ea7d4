"""Where a level steps: found where there is a step, at most as often as allowed where there is none."""

import math

import numpy as np
import pytest

from dig_bench.compare.noise import prior
from dig_bench.history.steps import MIN_FREE, find, level_change, noise
from dig_bench.results.metrics import Threshold

TWO_PER_CENT = Threshold(relative=0.02)
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


def test_a_step_is_found_where_it_is_and_as_large_as_it_is() -> None:
    (step,) = find(series([10.0] * 8 + [10.6] * 6), threshold=TWO_PER_CENT)
    assert step.at == 8
    assert step.first <= 8 <= step.last
    assert step.low < 1.06 < step.high
    assert step.ratio == pytest.approx(1.06, rel=0.01)
    assert step.entries == (8, 6)


def test_several_steps_are_found_up_and_down() -> None:
    levels = [10.0] * 8 + [11.0] * 8 + [10.4] * 8 + [8.0] * 8
    assert [step.at for step in find(series(levels), threshold=TWO_PER_CENT)] == [8, 16, 24]


def test_a_step_that_is_soon_undone_is_found_too() -> None:
    """One at a time, neither would stand out: both lie in one cut's longer part."""
    levels = [10.0] * 12 + [10.8] * 2 + [10.0] * 12
    assert [step.at for step in find(series(levels), threshold=TWO_PER_CENT)] == [12, 14]


def test_the_last_entry_alone_can_be_a_step() -> None:
    (step,) = find(series([10.0] * 15 + [11.0]), threshold=TWO_PER_CENT)
    assert (step.at, step.entries) == (15, (15, 1))


@pytest.mark.parametrize("levels", [[10.0] * 20, [10.0] * 10 + [10.15] * 10, [10.0, 10.1] * 10])
def test_noise_and_the_negligible_are_no_steps(levels: list[float]) -> None:
    assert find(series(levels), threshold=TWO_PER_CENT) == []


def test_a_slow_drift_is_not_called_a_step_before_it_is_one() -> None:
    drift = [10.0 * (1 + 0.0005 * place) for place in range(20)]
    assert find(series(drift), threshold=TWO_PER_CENT) == []


def test_fewer_entries_than_tell_the_noise_have_no_step() -> None:
    for count in range(1, MIN_FREE + 2):
        levels = [10.0] * (count - 1) + [20.0]
        assert find(series(levels), threshold=TWO_PER_CENT) == []
    assert find([], threshold=TWO_PER_CENT) == []
    quiet = series([10.0, 10.0, 20.0, 20.0], entry_noise=1e-4, process_noise=1e-4)
    assert [step.at for step in find(quiet, threshold=TWO_PER_CENT)] == [2]


def test_processes_that_agree_hide_no_spread_between_entries() -> None:
    """Evidence of one entry share the day: however many there are, the entry is one piece of evidence."""
    for seed in range(50):
        found = series([10.0] * 4, seed=seed, entry_noise=0.03, process_noise=1e-4, processes=20)
        assert find(found, threshold=TWO_PER_CENT, false_alarms=1e-3) == []


def test_entries_that_agree_by_chance_hide_no_spread_between_processes() -> None:
    entries = [[level * 0.9, level / 0.9] for level in [10.0] * 4 + [12.6] * 4]
    assert find(entries, threshold=TWO_PER_CENT) == []
    assert find([[math.sqrt(a * b)] for a, b in entries], threshold=TWO_PER_CENT)


def test_figures_without_any_spread_step_where_they_change() -> None:
    (step,) = find([[10.0]] * 4 + [[11.0]] * 4, threshold=TWO_PER_CENT)
    assert (step.at, step.first, step.last) == (4, 4, 4)
    assert step.low == pytest.approx(step.high)
    assert find([[10.0]] * 8, threshold=TWO_PER_CENT) == []


def test_memory_steps_without_any_statistics() -> None:
    memory = Threshold(relative=0.01, absolute=32.0)
    figures = [[1000.0, 1001.0], [1001.0], [1065.0], [1065.0], [1080.0], [1000.0]]
    found = find(figures, threshold=memory, repeatable=True)
    assert [(step.at, round(step.ratio, 3)) for step in found] == [(2, 1.069), (5, 0.935)]
    creeping = [[1000.0 + 10 * place] for place in range(8)]
    assert [step.at for step in find(creeping, threshold=memory, repeatable=True)] == [4]


def test_the_range_holds_the_true_place_as_often_as_it_says() -> None:
    held = found = 0
    for seed in range(400):
        steps = find(series([10.0] * 10 + [10.35] * 10, seed=seed, entry_noise=0.01), threshold=NOTHING)
        if len(steps) == 1:
            found += 1
            held += steps[0].first <= 10 <= steps[0].last
    assert found > 250
    assert held / found > 0.93


@pytest.mark.parametrize(("entry_noise", "process_noise"), [(0.01, 0.01), (0.01, 0.0), (0.0, 0.01)])
def test_a_series_without_a_change_has_a_step_no_more_often_than_allowed(
    entry_noise: float, process_noise: float
) -> None:
    """Were nothing negligible: with a threshold it is rarer still."""
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


def test_series_lend_each_other_what_they_know_of_the_noise() -> None:
    calm = [series([10.0] * 8, seed=seed) for seed in range(20)]
    known = prior([noise(each, []) for each in calm])
    assert known
    assert known.sd == pytest.approx(math.hypot(0.003, 0.003 / math.sqrt(3)), rel=0.2)
    alone = alike = 0
    for seed in range(100, 160):
        short = series([10.0, 10.0, 10.0, 10.6], seed=seed)
        alone += bool(find(short, threshold=TWO_PER_CENT, false_alarms=1e-3))
        alike += bool(find(short, threshold=TWO_PER_CENT, false_alarms=1e-3, prior=known))
    assert alone < 20
    assert alike > 50


def test_a_series_that_is_noisier_than_the_others_is_not_judged_by_them() -> None:
    known = prior([noise(series([10.0] * 8, seed=seed), []) for seed in range(20)])
    for seed in range(50):
        wild = series([10.0] * 8, seed=seed, entry_noise=0.05)
        assert find(wild, threshold=TWO_PER_CENT, false_alarms=1e-3, prior=known) == []


def test_a_change_at_a_known_place() -> None:
    before, after = series([10.0] * 5), series([10.6] * 3, seed=1)
    step = level_change(before, after, threshold=TWO_PER_CENT)
    assert step
    assert (step.at, step.entries) == (5, (5, 3))
    assert level_change(before, series([10.0] * 3, seed=2), threshold=TWO_PER_CENT) is None
    assert level_change(before[:1], after[:1], threshold=TWO_PER_CENT) is None
    assert level_change([[100.0]], [[200.0]], threshold=TWO_PER_CENT, repeatable=True)


@pytest.mark.parametrize("value", [1e-300, 1e300])
def test_absurd_figures_break_nothing(value: float) -> None:
    for step in find(series([10.0] * 8) + [[value]] * 3, threshold=TWO_PER_CENT):
        assert step.ratio > 0
