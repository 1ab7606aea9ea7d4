"""The decision about one metric of one cell: the verdicts, and the effect of known noise."""

import math

import numpy as np
import pytest

from dig_bench.compare.decision import Decision, decide
from dig_bench.results.metrics import Threshold

TWO_PERCENT = Threshold(relative=0.02)


def processes(*percent: float) -> list[float]:
    """Values this many percent above 10."""
    return [10 * (1 + each / 100) for each in percent]


CALM = processes(-0.1, 0, 0.1)


@pytest.mark.parametrize(
    ("candidate", "verdict"),
    [
        (processes(4.9, 5, 5.1), "slower"),
        (processes(-5.1, -5, -4.9), "faster"),
        (processes(-0.1, 0.1, 0.2), "same"),
        # Slower beyond doubt, but by less than counts.
        (processes(0.9, 1, 1.1), "same"),
        (processes(1.9, 2, 2.1), "undecided"),
        (processes(-4, 1, 12), "undecided"),
    ],
)
def test_a_verdict_takes_the_whole_interval(candidate: list[float], verdict: str) -> None:
    assert decide(CALM, candidate, threshold=TWO_PERCENT).verdict == verdict


def test_the_ratio_is_that_of_geometric_means_within_its_interval() -> None:
    found = decide([1, 2, 4], [3, 6, 12], threshold=TWO_PERCENT)
    assert found.ratio == pytest.approx(3)
    assert found.ratio_low < 3 < found.ratio_high
    # The interval is symmetrical in logarithms.
    assert found.ratio_low * found.ratio_high == pytest.approx(9)


def test_swapping_the_sides_turns_the_decision_round() -> None:
    there, back = (
        decide(*sides, threshold=TWO_PERCENT) for sides in ((CALM, processes(3, 5, 6)), (processes(3, 5, 6), CALM))
    )
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert there.ratio_low == pytest.approx(1 / back.ratio_high)
    assert there.p_slower == pytest.approx(back.p_faster)


def test_the_interval_without_known_noise_is_welch_s() -> None:
    from scipy import stats

    base, candidate = processes(0, 0.4, 1.3, 0.2), processes(5, 4, 9)
    welch = stats.ttest_ind(np.log(candidate), np.log(base), equal_var=False).confidence_interval(0.95)
    found = decide(base, candidate, threshold=TWO_PERCENT)
    assert found.ratio_low == pytest.approx(math.exp(welch.low))
    assert found.ratio_high == pytest.approx(math.exp(welch.high))


@pytest.mark.parametrize(("base", "candidate"), [(1, 3), (3, 1), (2, 2), (2, 9)])
def test_fewer_than_three_processes_a_side_decide_nothing(base: int, candidate: int) -> None:
    found = decide([10.0] * base, [20.0] * candidate, threshold=TWO_PERCENT, process_noise=0.001)
    assert (found.verdict, found.ratio) == ("undecided", pytest.approx(2))
    assert (found.ratio_low, found.ratio_high, found.p_slower) == (0, math.inf, None)
    assert (found.base_processes, found.candidate_processes) == (base, candidate)


def width(found: Decision) -> float:
    return found.ratio_high / found.ratio_low


def test_known_noise_narrows_the_interval_of_few_processes() -> None:
    candidate = processes(4.5, 5, 5.5)
    alone, informed = (
        decide(processes(-0.5, 0, 0.5), candidate, threshold=TWO_PERCENT, process_noise=noise)
        for noise in (None, 0.005)
    )
    assert width(informed) < width(alone)


def test_known_noise_widens_the_interval_of_processes_that_happen_to_agree() -> None:
    alone, informed = (
        decide([10, 10, 10.0001], [10.3, 10.3, 10.3001], threshold=TWO_PERCENT, process_noise=noise)
        for noise in (None, 0.02)
    )
    assert alone.verdict == "slower"
    assert informed.verdict == "undecided"


def test_known_noise_that_the_processes_contradict_is_left_out() -> None:
    wild = processes(0, 20, 40), processes(10, 30, 60)
    assert decide(*wild, threshold=TWO_PERCENT, process_noise=0.001) == decide(*wild, threshold=TWO_PERCENT)


def test_processes_without_any_spread_are_certain() -> None:
    assert decide([10.0] * 3, [10.5] * 3, threshold=TWO_PERCENT).verdict == "slower"
    assert decide([10.0] * 3, [10.1] * 3, threshold=TWO_PERCENT).verdict == "same"


def test_a_repeatable_value_needs_one_process() -> None:
    memory = Threshold(relative=0.01, absolute=32)
    assert decide([1000], [1064], threshold=memory, repeatable=True).verdict == "slower"
    assert decide([1064], [1000], threshold=memory, repeatable=True).verdict == "faster"
    assert decide([1000], [1030], threshold=memory, repeatable=True).verdict == "same"
    # Of 10 GB, 64 MiB are less than 1 %.
    assert decide([10_000], [10_064], threshold=memory, repeatable=True).verdict == "same"


def test_a_repeatable_value_that_varies_must_exceed_the_threshold_in_every_pair() -> None:
    found = decide([1000, 1020], [1040, 1064], threshold=Threshold(relative=0.0, absolute=32), repeatable=True)
    assert found.verdict == "undecided"
    assert (found.ratio_low, found.ratio_high) == (pytest.approx(1.04 / 1.02), pytest.approx(1.064))


def test_a_difference_has_to_exceed_both_parts_of_a_threshold() -> None:
    first_call = Threshold(relative=0.5, absolute=1.0)
    assert decide([0.1] * 3, [0.3] * 3, threshold=first_call).verdict == "same"
    assert decide([20.0] * 3, [22.0] * 3, threshold=first_call).verdict == "same"
    assert decide([4.0] * 3, [8.0] * 3, threshold=first_call).verdict == "slower"


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_value_that_is_not_positive_and_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        decide([10.0] * 3, [10.0, 10.0, value], threshold=TWO_PERCENT)


def test_absurd_values_give_a_decision() -> None:
    found = decide([5e-324] * 3, [1.7e308] * 3, threshold=Threshold(relative=0.02, absolute=32))
    assert found.ratio == math.inf
    assert decide([1.7e308] * 3, [5e-324] * 3, threshold=TWO_PERCENT).verdict == "faster"


@pytest.mark.parametrize("value", [-0.01, math.nan, math.inf])
def test_a_threshold_is_not_negative(value: float) -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        Threshold(relative=value)
