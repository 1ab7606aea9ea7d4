"""Measurements that would settle an undecided verdict."""

import math
import random
from pathlib import Path

import pytest

from claim_rows import assessed, judged, timed
from dig_bench.claims.advice import MOST_PROCESSES, for_crossover, for_ratio, more_processes
from dig_bench.claims.output import notes, words
from dig_bench.claims.ratios import Ratio, speed_ratio
from dig_bench.claims.verdict import crossover, of_ratio
from dig_bench.compare.evidence import Evidence


def simulated(count: int, value: float, sd: float, seed: int) -> Ratio:
    """A ratio of `count` processes a side that differ by `sd`."""
    numbers = random.Random(seed)
    rows = [
        timed(name, 1792, ms * math.exp(numbers.gauss(0, sd)), 0.001, process=process)
        for name, ms in (("DiG-S/2@fla", 10.0), ("DiT-S/2@math", 10.0 * value))
        for process in range(1, count + 1)
    ]
    evidence = Evidence.of(rows)
    ours, theirs = sorted(evidence.rows, key=lambda key: key.model)
    found = speed_ratio(evidence, ours, theirs)
    assert found
    return found


def test_the_number_of_processes_follows_from_spread_and_distance() -> None:
    found = Ratio(value=1.04, low=0.9, high=1.2, basis="processes", processes=(3, 3), spread=0.05)
    more = more_processes(found, 1.0)
    assert more is not None
    # t of 2n - 2 degrees times 0.05 / sqrt(n) is 0.0437 at n = 7 and 0.0379 at n = 8; log(1.04) is 0.0392.
    assert more == 5
    assert for_ratio(found, 1.0) == "about 5 more processes per side"
    at_limit = Ratio(value=1.0001, low=0.9, high=1.2, basis="processes", processes=(3, 3), spread=0.05)
    assert for_ratio(at_limit, 1.0) == f"more than {MOST_PROCESSES} processes per side: the ratio lies at the limit"


def test_as_many_more_processes_decide_more_often_than_not() -> None:
    undecided = settled = 0
    for seed in range(60):
        found = simulated(3, 2.4, 0.03, seed)
        more = more_processes(found, 2.25)
        if of_ratio(2.5, found, 0.1) == "undecided" and more is not None:
            undecided += 1
            settled += of_ratio(2.5, simulated(3 + more, 2.4, 0.03, 1000 + seed), 0.1) != "undecided"
    assert undecided > 20
    assert settled / undecided > 0.5


@pytest.mark.parametrize(
    ("processes", "text"),
    [
        ((1, 1), "2 more processes per side"),
        ((2, 2), "1 more process per side"),
        ((3, 1), "0 more processes of DiG and 2 more processes of the other model"),
    ],
)
def test_with_few_processes_the_least_is_named(processes: tuple[int, int], text: str) -> None:
    found = Ratio(value=2.3, low=2.2, high=2.4, basis="samples", processes=processes)
    assert for_ratio(found, 2.25).startswith(text)


def test_of_a_crossover_every_unsettled_resolution_is_named() -> None:
    unsure, sure = (
        Ratio(value=value, low=low, high=1.3, basis="samples", processes=(1, 1))
        for value, low in ((1.0, 0.9), (1.2, 1.1))
    )
    found = crossover([(256, unsure), (512, unsure), (768, sure), (1024, unsure)])
    text = for_crossover(512, found)
    assert text.startswith("at 512 px 2 more processes per side")
    assert "; at 1024 px 2 more" in text
    assert "256" not in text
    assert "768" not in text


def test_an_undecided_claim_says_what_would_decide_it(tmp_path: Path) -> None:
    rows = [timed("DiG-S/2@fla", 1792, 10.0, 0.05), timed("DiT-S/2@math", 1792, 23.0, 0.05)]
    found = assessed(tmp_path, rows)
    judgement = judged(found, "speed-1792")
    assert judgement.verdict == "undecided"
    assert judgement.closest
    assert "to decide: 2 more processes per side" in words.measured(judgement.claim, judgement.closest)
    assert any("To decide: 2 more processes per side" in note for note in notes.on_claim(found, judgement))
    decided = judged(assessed(tmp_path / "decided", [rows[0], timed("DiT-S/2@math", 1792, 90.0)]), "speed-1792")
    assert decided.closest
    assert decided.closest.to_decide == ""
