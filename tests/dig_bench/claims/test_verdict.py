"""Verdicts on claimed ratios and crossovers."""

import math

import pytest

from claim_rows import ratio
from dig_bench.claims.ratios import Ratio
from dig_bench.claims.verdict import Verdict, crossover, of_crossover, of_ratio


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (ratio(2.5, 2.4, 2.6), "reproduced"),
        (ratio(2.3, 2.26, 2.34), "reproduced"),
        (ratio(2.7, 2.6, 2.9), "reproduced"),
        (ratio(3.0, 2.76, 3.2), "exceeded"),
        (ratio(2.0, 1.9, 2.2), "not reproduced"),
        (ratio(2.3, 2.2, 2.4), "undecided"),
        (ratio(3.0, 1e-9, math.inf), "undecided"),
        (ratio(math.nan), "undecided"),
    ],
)
def test_a_claimed_ratio_of_2_5_with_a_tolerance_of_10_percent(found: Ratio, verdict: Verdict) -> None:
    assert of_ratio(2.5, found, 0.1) == verdict


SLOWER, UNSURE, FASTER = ratio(0.8, 0.7, 0.9), ratio(1.0, 0.9, 1.1), ratio(1.3, 1.2, 1.4)


@pytest.mark.parametrize(
    ("curve", "verdict", "value"),
    [
        ({256: SLOWER, 512: FASTER, 1024: FASTER}, "reproduced", 512),
        ({256: UNSURE, 512: FASTER, 1024: FASTER}, "reproduced", 512),
        ({512: FASTER, 1024: FASTER}, "reproduced", 512),
        ({256: FASTER, 512: FASTER, 1024: FASTER}, "exceeded", 256),
        ({256: SLOWER, 512: SLOWER, 1024: FASTER}, "not reproduced", 1024),
        ({256: FASTER, 512: FASTER, 1024: SLOWER}, "not reproduced", math.inf),
        ({1024: SLOWER}, "not reproduced", math.inf),
        ({256: SLOWER, 512: UNSURE, 1024: FASTER}, "undecided", 1024),
        ({256: SLOWER, 768: FASTER, 1024: FASTER}, "not measured", 768),
        ({256: SLOWER, 512: FASTER}, "not measured", 512),
        ({256: FASTER}, "not measured", 256),
    ],
)
def test_a_claimed_crossover_at_512_px(curve: dict[int, Ratio], verdict: Verdict, value: float) -> None:
    found = crossover(list(curve.items()))
    assert (of_crossover(512, found), found.value) == (verdict, value)


def test_the_intervals_bound_the_crossover() -> None:
    found = crossover([(256, SLOWER), (512, UNSURE), (768, UNSURE), (1024, FASTER)])
    assert (found.low, found.value, found.high) == (512, 1024, 1024)
    assert crossover([(256, UNSURE), (512, UNSURE)]).high == math.inf
