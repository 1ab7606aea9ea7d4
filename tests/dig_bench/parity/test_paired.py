"""The paired tests against scipy's, and the number of seeds that they need against simulated seeds."""

import numpy as np
import pytest
from scipy import stats

from dig_bench.parity import seeds_needed
from dig_bench.parity.paired import LogRatios, holm


def test_interval_and_p_value_are_those_of_scipy() -> None:
    a, b = np.random.default_rng(0).lognormal(sigma=0.1, size=(2, 6))
    found = LogRatios.of(a, b)
    ratios = np.log(b / a)
    expected = stats.ttest_1samp(ratios, 0)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.9)))


def test_equal_values_are_equal_and_a_constant_ratio_is_a_difference() -> None:
    assert LogRatios.of([1.0, 2.0], [1.0, 2.0]).interval == (0, 0)
    assert LogRatios.of([1.0, 2.0], [1.0, 2.0]).p_value == 1
    assert LogRatios.of([1.0, 1.0], [2.0, 2.0]).p_value == 0


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
def test_values_without_a_logarithm_are_rejected(value: float) -> None:
    with pytest.raises(ValueError, match="must be positive and finite"):
        LogRatios.of([1.0, 1.0], [1.0, value])


def test_one_seed_has_no_spread() -> None:
    with pytest.raises(ValueError, match="1 seeds: a verdict needs at least 2"):
        LogRatios.of([1.0], [1.0])


def test_holm_multiplies_by_the_number_of_hypotheses_that_are_left() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9, 0.6]) == [1, 1, 1]
    assert holm([]) == []


def simulated(count: int, *, mean: float, spread: float) -> list[LogRatios]:
    drawn = mean + spread * np.random.default_rng(1).standard_normal((1000, count))
    return [LogRatios.of(np.ones(count), np.exp(ratios)) for ratios in drawn]


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 0.04), (0.02, 0.02), (-0.03, 0.03), (0.0, 0.12)])
def test_the_seeds_for_parity_reach_it_in_four_cases_of_five(mean: float, spread: float) -> None:
    count = seeds_needed.for_parity(LogRatios(mean=mean, standard_error=spread / 3**0.5, seeds=3), 0.05)
    assert count is not None
    limit = np.log(1.05)
    found = simulated(count, mean=mean, spread=spread)
    assert 0.75 < np.mean([-limit <= each.interval[0] and each.interval[1] <= limit for each in found]) < 0.92


@pytest.mark.parametrize(("mean", "spread"), [(0.03, 0.03), (-0.1, 0.06), (0.02, 0.08)])
def test_the_seeds_for_a_difference_find_it_in_four_cases_of_five(mean: float, spread: float) -> None:
    count = seeds_needed.for_difference(LogRatios(mean=mean, standard_error=spread / 3**0.5, seeds=3), 3)
    assert count is not None
    assert 0.75 < np.mean([each.p_value <= 0.05 / 3 for each in simulated(count, mean=mean, spread=spread)]) < 0.92


def test_more_seeds_than_there_are_and_none_at_the_margin() -> None:
    tight = LogRatios(mean=0.0, standard_error=0.0, seeds=7)
    assert seeds_needed.for_parity(tight, 0.05) == 8
    assert seeds_needed.for_difference(tight, 3) is None
    assert seeds_needed.for_parity(LogRatios(mean=0.06, standard_error=0.01, seeds=3), 0.05) is None
