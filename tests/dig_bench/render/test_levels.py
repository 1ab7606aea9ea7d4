"""Levels: every status and verdict has one."""

from typing import get_args

import pytest

from dig_bench.cell import STATUSES
from dig_bench.compare.decision import Verdict
from dig_bench.render.levels import BAD, GOOD, MUTED, WARN, level_of
from dig_bench.render.style import LIGHT
from dig_bench.results.metrics import METRICS


@pytest.mark.parametrize("word", [*STATUSES, *get_args(Verdict)])
def test_statuses_and_verdicts_have_a_level(word: str) -> None:
    assert level_of(word) in (GOOD, WARN, BAD, MUTED)


def test_levels_differ_and_name_a_colour() -> None:
    levels = (GOOD, WARN, BAD, MUTED)
    assert len({level.terminal for level in levels}) == len({level.sign for level in levels}) == 4
    assert {level.name for level in levels} <= set(LIGHT)


def test_no_verdict_is_muted_and_an_unknown_one_is_an_error() -> None:
    assert level_of(None) is MUTED
    with pytest.raises(KeyError):
        level_of("splendid")


def test_every_metric_says_worse_and_better_in_words_of_its_own() -> None:
    words = [word for metric in METRICS.values() for word in (metric.worse, metric.better)]
    assert len(set(words)) == len(words)
