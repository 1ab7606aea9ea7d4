"""Verdicts on curves whose difference is known, and the stored results."""

import math
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from dig_bench.parity.output.words import headline
from dig_bench.parity.results import Results, Run, windowed
from dig_bench.parity.store import read, write
from dig_bench.parity.verdict import Finding, against_first, compare


def run(name: str, seed: int, *, level: float = 0.1, distance: float = 5.0) -> Run:
    curve = tuple(level + math.exp(-step / 5) for step in range(50))
    return Run(
        name=name,
        seed=seed,
        curve=curve,
        distance=distance,
        parameters=10,
        train_images_per_s=100.0,
        seconds=1.0,
        kernels="torch",
    )


def runs(name: str, *, factor: float = 1.0, spread: float = 0.005, seeds: int = 3, of: int = 0) -> list[Run]:
    draws = np.random.default_rng(of).normal(size=(2, 20))
    return [
        run(
            name, seed, level=factor * (0.1 + spread * 0.1 * draws[0, seed]), distance=factor * 5 + draws[1, seed] * 0.1
        )
        for seed in range(seeds)
    ]


def results(*all_runs: list[Run]) -> Results:
    return Results(settings={"steps": 50}, environment={}, metric="FD-digits", runs=tuple(chain(*all_runs)))


def verdicts(found: Results) -> dict[str, str]:
    (comparison,) = against_first(found)
    return {finding.quantity: finding.verdict for finding in comparison.findings} | {"all": comparison.verdict}


def test_draws_of_one_source_are_in_parity() -> None:
    assert set(verdicts(results(runs("A", of=1), runs("B", of=2))).values()) == {"in parity"}


def test_a_run_is_in_parity_with_itself() -> None:
    assert set(verdicts(results(runs("A"), runs("B"))).values()) == {"in parity"}


def test_networks_that_have_not_learned_are_not_in_parity() -> None:
    alike = [replace(run(name, seed), curve=(0.97,) * 50) for name in ("A", "B") for seed in range(3)]
    (comparison,) = against_first(results(alike))
    assert {finding.verdict for finding in comparison.findings} == {"in parity"}
    assert comparison.verdict == "undecided"
    assert headline(comparison).endswith("have not learned yet, train for more --steps")


def test_a_worse_contender_is_different() -> None:
    found = verdicts(results(runs("A", of=1), runs("B", of=2, factor=1.2)))
    assert found == {"loss": "different", "final_loss": "different", "distance": "different", "all": "different"}


def test_a_better_contender_is_different_too() -> None:
    assert verdicts(results(runs("A", of=1), runs("B", of=2, factor=0.8)))["all"] == "different"


def test_a_wide_spread_over_seeds_is_undecided() -> None:
    found = verdicts(results(runs("A", of=1, spread=0.5), runs("B", of=2, spread=0.5)))
    assert found["final_loss"] == found["all"] == "undecided"


def test_a_wide_spread_that_both_share_is_parity() -> None:
    """Like kernels with other rounding: for each seed the losses agree to half a percent."""
    a, b = (runs(name, of=1, spread=0.5) for name in "AB")
    nudged = [replace(one, curve=tuple(loss * (1 + 0.005 * (-1) ** one.seed) for loss in one.curve)) for one in b]
    (comparison,) = against_first(results(a, nudged))
    final = next(finding for finding in comparison.findings if finding.quantity == "final_loss")
    assert final.spread > final.margin
    assert final.verdict == "in parity"


def test_paired_parity_needs_difference_plus_spread_below_the_margin() -> None:
    finding = Finding(
        quantity="loss", mean_a=1, mean_b=1.04, difference=0.04, spread=0.2, paired_spread=0.02, margin=0.05
    )
    assert finding.verdict == "undecided"
    assert replace(finding, difference=-0.02).verdict == "in parity"
    assert replace(finding, difference=-0.3).verdict == "different"


def test_more_seeds_detect_smaller_differences() -> None:
    few, many = (
        compare(results(runs("A", of=1, seeds=seeds), runs("B", of=2, seeds=seeds)), "A", "B") for seeds in (2, 12)
    )
    for one, other in zip(few.findings, many.findings, strict=True):
        assert other.spread < one.spread


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_equal_contenders_are_called_different_once_in_twenty(seeds: int) -> None:
    """Counts over 400 pairs that differ only in their seeds."""
    wrong = [
        compare(results(runs("A", of=2 * pair, seeds=seeds), runs("B", of=2 * pair + 1, seeds=seeds)), "A", "B")
        .findings[2]
        .verdict
        == "different"
        for pair in range(400)
    ]
    assert 0.02 < np.mean(wrong) < 0.09


def test_only_seeds_that_both_have_run_count() -> None:
    found = results(runs("A", seeds=5), runs("B", seeds=2))
    assert compare(found, "A", "B").seeds == 2
    with pytest.raises(ValueError, match="A and B share 1 seeds"):
        compare(results(runs("A"), runs("B", seeds=1)), "A", "B")


def test_final_loss_is_the_level_of_the_last_fifth() -> None:
    found = run("A", 0)
    assert found.final_loss == pytest.approx(np.median(found.curve[-10:]))
    assert found.loss == pytest.approx(np.mean(found.curve))


def test_windows_keep_the_mean() -> None:
    losses = np.random.default_rng(0).random(1000)
    assert len(windowed(losses)) == 50
    assert np.mean(windowed(losses)) == pytest.approx(losses.mean())
    assert windowed([1.0, 2.0]) == (1.0, 2.0)


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    found = results(runs("A"), runs("B"))
    write(found, tmp_path / "new")
    assert read(tmp_path / "new") == found
    assert "FD-digits" in (tmp_path / "new" / "runs.csv").read_text().splitlines()[0]


def test_a_repeated_run_replaces_the_first() -> None:
    found = results(runs("A")).merged([run("A", 1, distance=9.0)])
    assert [each.distance for each in found.of("A")][1] == 9.0
    assert len(found.runs) == 3


def test_foreign_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"runs\.json: No such file"):
        read(tmp_path)
    (tmp_path / "runs.json").write_text("[]")
    with pytest.raises(ValueError, match="holds no parity runs"):
        read(tmp_path)
