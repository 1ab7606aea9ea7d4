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
from dig_bench.parity.verdict import Comparison, Finding, against_first, compare


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
    assert comparison.verdict == "inconclusive"
    assert headline(comparison).endswith("have not learned yet: train for more --steps")


def test_a_worse_contender_is_different() -> None:
    found = verdicts(results(runs("A", of=1), runs("B", of=2, factor=1.5)))
    assert found == {"loss": "different", "final_loss": "different", "distance": "different", "all": "different"}


def test_a_better_contender_is_different_too() -> None:
    assert verdicts(results(runs("A", of=1), runs("B", of=2, factor=0.6)))["all"] == "different"


def test_a_wide_spread_over_seeds_is_inconclusive_and_says_how_many_seeds_would_decide() -> None:
    (comparison,) = against_first(results(runs("A", of=1, spread=0.5), runs("B", of=2, spread=0.5)))
    final = next(finding for finding in comparison.findings if finding.quantity == "final_loss")
    assert final.verdict == comparison.verdict == "inconclusive"
    assert comparison.seeds_needed is not None
    assert f"about {comparison.seeds_needed} seeds would probably decide" in headline(comparison)


def test_a_wide_spread_that_both_share_is_parity() -> None:
    """Like kernels with other rounding: for each seed the losses agree to half a percent."""
    a, b = (runs(name, of=1, spread=0.5) for name in "AB")
    nudged = [replace(one, curve=tuple(loss * (1 + 0.005 * (-1) ** one.seed) for loss in one.curve)) for one in b]
    (comparison,) = against_first(results(a, nudged))
    assert comparison.verdict == "in parity"


FINDING = Finding(
    quantity="loss",
    mean_a=1,
    mean_b=1.02,
    difference=0.02,
    low=0.01,
    high=0.03,
    margin=0.05,
    p_different=0.001,
    seeds_for_parity=None,
    seeds_for_difference=None,
)


@pytest.mark.parametrize(
    ("low", "high", "p_different", "says"),
    [
        # A difference that is there, but shown to be within the margin.
        (0.01, 0.03, 0.001, "in parity"),
        (1 / 1.049 - 1, 0.049, 1.0, "in parity"),
        # Both bounds of the margin are the same factor.
        (-0.049, 0.0, 1.0, "inconclusive"),
        (0.01, 0.051, 0.06, "inconclusive"),
        (0.01, 0.051, 0.04, "different"),
        (0.06, 0.08, 0.001, "different"),
    ],
)
def test_parity_needs_the_whole_interval_within_the_margin(
    low: float, high: float, p_different: float, says: str
) -> None:
    assert replace(FINDING, low=low, high=high, p_different=p_different).verdict == says


def test_a_comparison_needs_the_seeds_of_its_slowest_parity_or_of_its_first_difference() -> None:
    open_ = replace(FINDING, low=-1, high=1, p_different=1.0)
    slow, slower = (replace(open_, seeds_for_parity=seeds, seeds_for_difference=400) for seeds in (7, 20))
    never = replace(open_, seeds_for_difference=30)
    decided = replace(FINDING, seeds_for_parity=4)

    def needed(*findings: Finding) -> int | None:
        return Comparison(a="A", b="B", seeds=3, findings=findings).seeds_needed

    assert needed(decided, slow, slower) == 20
    assert needed(decided, slow, never) == 30
    assert needed(decided) is None
    assert needed(replace(open_)) is None


def test_swapping_the_contenders_does_not_change_the_verdict() -> None:
    found = results(runs("A", of=1, spread=0.03), runs("B", of=2, spread=0.03, factor=1.03))
    one, other = compare(found, "A", "B"), compare(found, "B", "A")
    assert [finding.verdict for finding in one.findings] == [finding.verdict for finding in other.findings]
    for a, b in zip(one.findings, other.findings, strict=True):
        assert (1 + a.high) * (1 + b.low) == pytest.approx(1)


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
