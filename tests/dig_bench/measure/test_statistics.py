"""Order statistics of samples, and the coverage of the interval of the median."""

import random

import pytest

from dig_bench.measure.statistics import CONFIDENCE, is_outlier, median_ranks, summarise


def test_median_and_percentiles_of_known_samples() -> None:
    summary = summarise(list(range(101)))
    assert (summary.median, summary.p05, summary.p95) == (50, 5, 95)
    assert summary.num_samples == 101


@pytest.mark.parametrize(("count", "ranks"), [(6, (0, 5)), (10, (1, 8)), (20, (5, 14)), (100, (39, 60))])
def test_ranks_of_the_interval_are_those_of_published_tables(count: int, ranks: tuple[int, int]) -> None:
    assert median_ranks(count) == ranks


@pytest.mark.parametrize("count", range(1, 6))
def test_fewer_than_six_samples_have_no_interval(count: int) -> None:
    assert median_ranks(count) is None
    assert summarise([1.0] * count).half_width is None


def test_the_interval_has_its_nominal_coverage_for_a_skewed_distribution() -> None:
    draw = random.Random(0)
    # The median of this exponential distribution is ln 2.
    covered = 0
    for _ in range(2000):
        summary = summarise([draw.expovariate(1.0) for _ in range(25)])
        assert summary.ci_low is not None
        assert summary.ci_high is not None
        covered += summary.ci_low <= 0.6931471805599453 <= summary.ci_high
    assert covered / 2000 > CONFIDENCE - 0.015


def test_half_width_is_the_larger_half_as_a_share_of_the_median() -> None:
    assert summarise([9.0, 10.0, 10.0, 10.0, 10.0, 13.0]).half_width == pytest.approx(0.3)


def test_slow_samples_are_flagged_and_kept() -> None:
    samples = [10.0, 10.1, 9.9, 10.0, 10.2, 9.8, 30.0]
    assert is_outlier(samples).tolist() == [False] * 6 + [True]
    summary = summarise(samples)
    assert (summary.num_outliers, summary.num_samples) == (1, 7)


def test_no_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        summarise([])
