"""Guards against chance: exact ranks, and the two modes that other cells reveal."""

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from dig_bench.compare.decision import decide
from dig_bench.compare.modes import chance_of_modes, processes_against_modes, split
from dig_bench.compare.ranks import rank_p_value, supported
from dig_bench.results.metrics import Threshold


@pytest.mark.parametrize(("base", "candidate"), [(3, 3), (5, 5), (4, 9), (10, 7)])
def test_the_rank_probability_is_that_of_scipy_s_exact_test(base: int, candidate: int) -> None:
    generator = np.random.default_rng(base)
    sides = generator.normal(size=base), generator.normal(0.6, size=candidate)
    expected = mannwhitneyu(sides[1] - 0.1, sides[0], alternative="greater", method="exact").pvalue
    assert rank_p_value(*sides, 0.1) == pytest.approx(expected)


def test_ties_count_against_a_difference() -> None:
    assert rank_p_value([1.0] * 3, [1.0] * 3, 0.0) == 1
    assert rank_p_value([1.0] * 3, [1.1] * 3, 0.0) == pytest.approx(1 / 20)


def test_sides_that_do_not_overlap_are_as_clear_as_ranks_can_be() -> None:
    assert supported(1 / 20, 3, 3)
    assert not supported(2 / 20, 3, 3)
    assert supported(4 / 252, 5, 5)
    assert not supported(7 / 252, 5, 5)


def test_one_fast_process_of_the_candidate_among_few_leaves_doubt() -> None:
    calm = [10.0, 10.001, 10.002]
    apart, overlapping = (
        decide(calm, candidate, threshold=Threshold(relative=0.02), process_noise=0.01)
        for candidate in ([10.8, 10.81, 10.82], [11.0, 11.0, 10.1])
    )
    assert apart.p_slower is not None
    assert apart.p_slower < 0.01
    assert overlapping.p_slower == pytest.approx(7 / 20)


def test_a_side_splits_where_one_gap_is_most_of_its_range() -> None:
    assert split([0.0, 0.1, 0.001]) == pytest.approx(0.099)
    assert split([0.0, 0.02, 0.05, 0.07, 0.1]) == 0
    assert split([0.3]) == 0


def test_the_chance_of_modes_counts_the_cells_that_show_them() -> None:
    assert chance_of_modes(0.05, [0.001, 0.01], 6) == 0
    # Two cells show modes, and the one in question may have them too.
    assert chance_of_modes(0.05, [0.06, 0.01, 0.2], 6) == pytest.approx(3 / 64)
    needed = processes_against_modes(0.05, [0.06, 0.01, 0.2], 0.005)
    assert needed == 5
    assert chance_of_modes(0.05, [0.06, 0.2], 2 * needed) <= 0.005 < chance_of_modes(0.05, [0.06, 0.2], 2 * needed - 2)
    assert processes_against_modes(math.inf, [0.06], 0.005) == 0
