"""Numbers as text: significant digits, percentages, intervals, durations."""

import pytest

from dig_bench.render.numbers import MISSING, duration, factor, interval, percent, significant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01234, "0.0123"),
        (4.567, "4.57"),
        (12345.6, "12,346"),
        (-2.5, "-2.50"),
        (0, "0"),
        (1e300, "1.00e+300"),
        (1e-12, "1.00e-12"),
        (float("inf"), "∞"),
        (float("-inf"), "-∞"),
        (float("nan"), MISSING),
        (None, MISSING),
    ],
)
def test_three_significant_digits(value: float | None, text: str) -> None:
    assert significant(value) == text


def test_a_percentage_near_everything_keeps_a_decimal() -> None:
    assert percent(0.8049) == "80\N{NO-BREAK SPACE}%"
    assert percent(0.996) == "99.6\N{NO-BREAK SPACE}%"
    assert percent(float("nan")) == MISSING


def test_a_value_without_an_interval_stands_alone() -> None:
    assert interval(2.1, 2.05, 2.15) == "2.10 (2.05 to 2.15)"
    assert interval(2.1, float("nan"), float("nan")) == "2.10"


@pytest.mark.parametrize(("value", "text"), [(1.05234, "1.052"), (99.9994, "99.999"), (123.456, "123.5")])
def test_factors_near_one_have_three_decimals(value: float, text: str) -> None:
    assert factor(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (720, "12 min"), (12_000, "3 h 20 min")])
def test_durations_have_the_unit_that_people_would_use(seconds: float, text: str) -> None:
    assert duration(seconds) == text
