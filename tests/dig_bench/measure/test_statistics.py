"""Medians, and the coverage of their interval for samples that depend on each other."""

import numpy as np
import pytest

from dig_bench.measure.statistics import is_outlier, median_interval, summarise, variance_inflation

SERIES = 250


def ar_1(rho: float, count: int, *, series: int = SERIES, skewed: bool = False) -> np.ndarray:
    """Rows of an AR(1) process with lag-1 autocorrelation `rho` and a median of 100."""
    generator = np.random.default_rng([int(10 * rho), count, skewed])
    noise = generator.standard_normal((series, count + 50))
    values = noise.copy()
    for place in range(1, count + 50):
        values[:, place] = rho * values[:, place - 1] + (1 - rho * rho) ** 0.5 * noise[:, place]
    values = values[:, 50:]
    return 100 + (np.exp(values) - 1 if skewed else values)


def test_median_and_percentiles_of_known_samples() -> None:
    summary = summarise(list(range(101)))
    assert (summary.median, summary.p05, summary.p95) == (50, 5, 95)
    assert summary.num_samples == 101


@pytest.mark.parametrize("skewed", [False, True], ids=["normal", "skewed"])
@pytest.mark.parametrize("count", [12, 40, 120, 300])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_the_interval_covers_the_median_of_autocorrelated_samples(rho: float, count: int, skewed: bool) -> None:
    intervals = [median_interval(samples) for samples in ar_1(rho, count, skewed=skewed)]
    covered = sum(found is not None and found[0] <= 100 <= found[1] for found in intervals)
    # 0.93 is promised; a share of 250 series has a standard error of 0.016.
    assert covered / SERIES >= 0.93 - 2 * 0.016


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_the_interval_still_covers_when_it_decides_when_to_stop(rho: float) -> None:
    covered = 0
    for samples in 0.01 * (ar_1(rho, 600) - 100) + 1:
        count = 12
        while count < 600 and (summarise(samples[:count]).half_width or 1) > 0.01:
            count += 12
        found = median_interval(samples[:count])
        covered += found is not None and found[0] <= 1 <= found[1]
    assert covered / SERIES >= 0.93 - 2 * 0.016


def test_samples_that_depend_on_each_other_are_worth_fewer() -> None:
    independent, dependent = (float(np.median([variance_inflation(s) for s in ar_1(rho, 300)])) for rho in (0.0, 0.8))
    assert independent < 2
    assert dependent > 7


def test_a_drift_widens_the_interval() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 200)
    (low, high), (low_with_drift, high_with_drift) = (
        median_interval(100 + drift * np.linspace(-1, 1, 200) + noise) or (0, 0) for drift in (0.0, 1.0)
    )
    assert high_with_drift - low_with_drift > 10 * (high - low)


def test_few_samples_have_a_wide_interval() -> None:
    few, many = (median_interval(ar_1(0.0, count)[0]) for count in (6, 300))
    assert few is not None
    assert many is not None
    assert few[1] - few[0] > 10 * (many[1] - many[0])


def test_a_single_sample_has_no_interval() -> None:
    assert median_interval([1.0]) is None
    assert summarise([1.0]).half_width is None


def test_the_interval_of_widely_scattered_times_stays_above_zero() -> None:
    found = median_interval([1.0, 9.0, 2.0, 30.0, 4.0])
    assert found is not None
    assert 0 < found[0] < 4 < 30 < found[1]


def test_equal_samples_have_an_interval_without_width() -> None:
    assert median_interval([3.0] * 50) == (3.0, 3.0)


def test_half_width_is_the_larger_half_as_a_share_of_the_median() -> None:
    summary = summarise([9.0, 10.0, 10.0, 10.0, 10.0, 13.0] * 20)
    assert summary.ci_low is not None
    assert summary.ci_high is not None
    assert summary.half_width == max(summary.ci_high - 10, 10 - summary.ci_low) / 10


def test_slow_samples_are_flagged_and_kept() -> None:
    samples = [10.0, 10.1, 9.9, 10.0, 10.2, 9.8, 30.0]
    assert is_outlier(samples).tolist() == [False] * 6 + [True]
    summary = summarise(samples)
    assert (summary.num_outliers, summary.num_samples) == (1, 7)


def test_no_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        summarise([])
