"""Outlook of an undecided value: more processes and how many, or none."""

import numpy as np
import pytest

from dig_bench.compare.decision import Decision, decide
from dig_bench.compare.outlook import Outlook, outlook
from dig_bench.results.metrics import Threshold

TWO_PERCENT = Threshold(relative=0.02)
LIMIT = TWO_PERCENT.log_limit(10)


def found(base: list[float], candidate: list[float], **more: object) -> Outlook:
    return outlook(decide(base, candidate, threshold=TWO_PERCENT, **more), LIMIT, significance=0.0025)  # type: ignore[arg-type]


def values(percent: float, noise: float, processes: int = 5) -> list[float]:
    """Values with exactly this standard deviation, both in percent."""
    spread = np.linspace(-1, 1, processes)
    return list(10 * np.exp(percent / 100 + noise / 100 * spread / spread.std(ddof=1)))


def test_the_number_is_stated_and_grows_with_the_noise() -> None:
    quiet, noisy = (found(values(0, noise), values(0.5, noise)) for noise in (1, 2))
    assert quiet.more is not None
    assert noisy.more is not None
    assert 1 <= quiet.more < noisy.more
    assert quiet.text == f"about {quiet.more} more processes a side would decide it"


def test_a_difference_at_the_threshold_cannot_be_decided() -> None:
    at_it = found(values(0, 0.5), values(1.95, 0.5))
    assert at_it.more is None
    assert at_it.text.endswith("the difference is at the threshold")


def test_noise_far_beyond_the_threshold_cannot_be_decided() -> None:
    wild = found(values(0, 14), values(3, 14))
    assert wild.more is None
    assert wild.text.endswith("processes differ by 15 %")


def test_values_that_should_repeat_but_vary_cannot_be_decided() -> None:
    assert found([1000, 1030], [1010, 1035], repeatable=True).more is None


def test_too_few_processes_need_the_default_number() -> None:
    assert found([10.0], [11.0]) == Outlook(more=4, text="")


def decision(generator: np.random.Generator, processes: int, percent: float) -> Decision:
    sides = (10 * np.exp(generator.normal(mean, 0.01, processes)) for mean in (0, percent / 100))
    return decide(*map(list, sides), threshold=TWO_PERCENT)


@pytest.mark.parametrize(("percent", "none"), [(1.0, 0.4), (3.0, 0.4), (2.0, 0.7)])
def test_the_stated_number_of_processes_mostly_decides(percent: float, none: float) -> None:
    """About: the number rests on few processes, and the next ones differ. At the threshold, 2 %, no number does."""
    generator = np.random.default_rng(1)
    undecided = [first for _ in range(120) if (first := decision(generator, 5, percent)).verdict == "undecided"]
    more = [outlook(first, LIMIT, significance=0.025).more for first in undecided]
    assert more.count(None) / len(more) == pytest.approx(none, abs=0.15)
    decided = [decision(generator, 5 + count, percent).verdict != "undecided" for count in more if count is not None]
    assert (np.mean(decided) < 0.2) if percent == 2 else (0.7 < np.mean(decided) < 0.95)
