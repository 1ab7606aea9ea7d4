"""Growth exponents and crossovers of numbers: planted ones are found, and too little data gives nothing."""

import math

import numpy as np
import pytest

from dig_bench.results.scaling import (
    Crossing,
    Stretch,
    crossings,
    exponent,
    faster_from_px,
    interpolated_stretches,
    standing,
    stretches,
)

TOKENS = np.array([256, 1024, 2304, 4096, 6400], dtype=float)


@pytest.mark.parametrize("power", [0.0, 1.0, 1.7, 2.0])
def test_a_pure_power_is_found_exactly(power: float) -> None:
    fit = exponent(TOKENS, 3e-4 * TOKENS**power)
    assert fit is not None
    assert fit.num_points == 5
    np.testing.assert_allclose([fit.value, fit.low, fit.high], power, atol=1e-6)


def test_the_interval_is_student_s_of_the_slope() -> None:
    T, y = np.exp([0.0, 1.0, 2.0]), np.exp([0.0, 2.0, 2.0])
    fit = exponent(T, y)
    assert fit is not None
    # Residuals -1/3, 2/3, -1/3: s^2 = 2/3, over a sum of squares of 2; t with one degree of freedom.
    half = 12.7062047 * np.sqrt(1 / 3)
    np.testing.assert_allclose([fit.value, fit.low, fit.high], [1.0, 1.0 - half, 1.0 + half], rtol=1e-6)


@pytest.mark.parametrize(
    ("tokens", "values"),
    [([256, 1024], [1, 2]), ([256, 256, 1024], [1, 1, 2]), ([256, 1024, 4096], [1, 2, np.nan]), ([0, 1, 2], [1, 2, 3])],
)
def test_two_numbers_of_tokens_have_no_exponent(tokens: list[float], values: list[float]) -> None:
    assert exponent(tokens, values) is None


def ratios(px: list[float], ratio: list[float], spread: float = 0.02) -> list[Crossing]:
    values = np.array(ratio)
    return crossings(px, values, values * (1 - spread), values * (1 + spread))


def test_a_crossing_lies_on_the_line_between_its_neighbours_with_the_ends_of_the_interval() -> None:
    (found,) = ratios([256, 512, 1024, 2048], [0.5, 0.5, 2.0, 4.0])
    assert found.px == pytest.approx(np.sqrt(512 * 1024))
    assert found.is_faster_above
    assert found.low_px is not None
    assert found.high_px is not None
    # The ratio quadruples over the octave: an end that is off by 1.02 crosses sqrt(1.02) away.
    np.testing.assert_allclose([found.px / found.low_px, found.high_px / found.px], 1.02**0.5, rtol=0.001)


def test_every_crossing_is_found_with_its_direction() -> None:
    found = ratios([256, 512, 1024, 2048], [0.5, 2.0, 0.5, 2.0])
    assert [each.is_faster_above for each in found] == [True, False, True]
    assert [each.px for each in found] == pytest.approx([256 * 2**0.5, 512 * 2**0.5, 1024 * 2**0.5])


def test_an_interval_that_reaches_the_end_of_the_measured_range_is_open() -> None:
    (found,) = ratios([256, 512, 1024], [0.99, 1.1, 2.0])
    assert found.low_px is None
    assert found.high_px is not None
    (unknown,) = ratios([256, 512], [0.5, 2.0], spread=math.nan)
    assert unknown == Crossing(px=unknown.px, low_px=None, high_px=None, is_faster_above=True)


def test_a_ratio_that_stays_on_one_side_has_no_crossing() -> None:
    assert ratios([256, 512, 1024], [1.1, 2.0, 5.0]) == ratios([256, 512], [0.5, 0.6]) == []


@pytest.mark.parametrize(
    ("curve", "px"),
    [
        ((0.8, 1.2, 2.0), 512),
        ((1.1, 0.9, 2.0), 1024),
        ((1.1, 1.2, 1.3), 256),
        ((2.0, 1.5, 0.9), math.inf),
        ((2.0, 1.0, 2.0), 1024),
        ((2.0, math.nan, 2.0), 1024),
    ],
)
def test_a_model_is_faster_from_where_the_ratio_stays_above_one(curve: tuple[float, ...], px: float) -> None:
    assert faster_from_px(list(zip((256, 512, 1024), curve, strict=True))) == px


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.01, 1.2, "faster"),
        (0.8, 0.99, "slower"),
        (0.99, 1.01, "indistinguishable"),
        (1.0, 1.2, "indistinguishable"),
        (math.nan, math.nan, "indistinguishable"),
        (0.0, math.inf, "indistinguishable"),
    ],
)
def test_the_standing_is_that_of_the_interval(low: float, high: float, expected: str) -> None:
    assert standing(low, high) == expected


def test_neighbours_of_equal_standing_form_a_stretch() -> None:
    assert stretches([(256, "slower"), (512, "faster"), (1024, "faster")]) == [
        Stretch(standing="slower", first_px=256, last_px=256),
        Stretch(standing="faster", first_px=512, last_px=1024),
    ]


def test_interpolated_stretches_join_where_the_ends_of_the_interval_cross_one() -> None:
    px, ratio = np.array([256.0, 512.0, 1024.0]), np.array([0.5, 0.5, 2.0])
    found = interpolated_stretches(px, ratio * 0.98, ratio * 1.02)
    assert [each.standing for each in found] == ["slower", "indistinguishable", "faster"]
    (crossing,) = crossings(px, ratio, ratio * 0.98, ratio * 1.02)
    edges = [found[0].first_px, *(each.last_px for each in found)]
    assert edges == pytest.approx([256, crossing.low_px, crossing.high_px, 1024])
    (unknown,) = interpolated_stretches(px, ratio * math.nan, ratio * math.nan)
    assert unknown.standing == "indistinguishable"
    assert interpolated_stretches(px[:1], ratio[:1], ratio[:1]) == []
