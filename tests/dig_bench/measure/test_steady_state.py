"""Warm-up: a trend is found, noise is not taken for one."""

import numpy as np
import pytest

from dig_bench.measure.steady_state import Windows, fit


def windows(latency_ms: "np.ndarray", window_s: float = 0.2) -> Windows:
    found = Windows()
    for index in range(len(latency_ms)):
        found.add(window_s * (index + 1), latency_ms[: index + 1].tolist())
    return found


def test_the_slope_is_relative_and_per_second() -> None:
    times_s = np.arange(0.1, 1.3, 0.1)
    trend = fit(times_s.tolist(), (10 + 2 * times_s).tolist())
    assert trend.per_s == pytest.approx(2 / 11.3, rel=0.01)
    assert trend.drift == pytest.approx(2 * 1.1 / 11.3, rel=0.01)
    assert trend.noise == pytest.approx(0, abs=1e-9)
    assert not trend.is_steady(0.005)


def test_one_outlier_among_the_windows_is_no_trend() -> None:
    medians = [10.0, 10.01, 9.99, 10.0, 30.0, 10.0, 10.01]
    assert fit([0.2 * i for i in range(7)], medians).is_steady(0.005)


def test_noise_without_a_trend_is_steady() -> None:
    generator = np.random.default_rng(0)
    steady = [fit(np.arange(10) / 10, 10 + generator.normal(0, 0.3, 10)).is_steady(0.005) for _ in range(200)]
    assert sum(steady) > 160


def test_a_creep_of_ten_percent_over_a_second_is_a_trend_in_noise_of_one_percent() -> None:
    generator = np.random.default_rng(0)
    times_s = np.linspace(0, 1, 11)
    drifting = [fit(times_s, 10 * (1 + 0.1 * times_s) + generator.normal(0, 0.1, 11)) for _ in range(200)]
    assert not any(trend.is_steady(0.005) for trend in drifting)


def test_only_the_latest_second_is_judged() -> None:
    settled = np.concatenate([np.linspace(20, 10, 10), np.full(10, 10.0)])
    trend = windows(settled).trend()
    assert trend is not None
    assert trend.is_steady(0.005)


def test_too_short_a_warm_up_has_no_trend() -> None:
    assert windows(np.full(5, 10.0)).trend() is None
    assert windows(np.full(20, 10.0), window_s=0.04).trend() is None


def test_short_rounds_are_gathered_into_windows() -> None:
    found = Windows()
    for index in range(2000):
        found.add(0.001 * (index + 1), [10.0] * (index + 1))
    assert len(found._medians) == pytest.approx(20, abs=1)
