"""Bias of the Fréchet distance at few images, with and without extrapolation, and coverage of its bootstrap interval.

    python benchmarks/fid/frechet_bias.py > results/frechet-bias.md

Pairs of Gaussians with a known distance, and halves of the embedded digits, whose distance is zero. The bootstrap
interval should cover the expected distance at these numbers of images, and does not claim to cover the true one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from dig_bench.fid.frechet import Array, Moments, frechet_distance
from dig_bench.fid.resampling import at_infinity, bootstrap

Sides = tuple[Array, Array]

RESAMPLES = 200
"""The default of `dig-bench fid`."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A source of pairs of feature sets with a known distance."""

    name: str
    width: int
    real: int
    fake: int
    true: float
    draw: Callable[[Generator], Sides]


def gaussians(width: int, real: int, fake: int, *, shift: float, scale: float) -> Case:
    """Gaussians whose standard deviations fall from 1 to 0.1 over the features, one shifted and scaled."""
    deviations = np.geomspace(1, 0.1, width)

    def draw(generator: Generator) -> Sides:
        return (
            deviations * generator.normal(size=(real, width)),
            deviations * (shift + scale * generator.normal(size=(fake, width))),
        )

    true = float((deviations**2).sum() * (shift**2 + (scale - 1) ** 2))
    return Case(name="Gaussians", width=width, real=real, fake=fake, true=true, draw=draw)


def halves_of_digits() -> Case:
    """Two random halves of the embedded digits, with the features of FD-digits."""
    from dig_bench.fid.features import extractor
    from dig_bench.fid.images import DIGITS, read

    features = extractor(DIGITS)(read(DIGITS)).features

    def draw(generator: Generator) -> Sides:
        first, second = np.array_split(generator.permutation(features), 2)
        return first, second

    real, fake = (len(side) for side in np.array_split(features, 2))
    return Case(name="halves of the digits", width=features.shape[1], real=real, fake=fake, true=0.0, draw=draw)


def distance(real: Array, fake: Array) -> float:
    """The Fréchet distance of two sets of features."""
    return frechet_distance(Moments.of(real), Moments.of(fake))


def fake_only(real: Array, fake: Array, generator: Generator) -> float:
    """The extrapolation up to revision 7a3ffc4: of the fake images only, from a tenth of them to all."""
    sizes = np.linspace(len(fake) // 10, len(fake), 15).astype(int)
    found = [distance(real, generator.permutation(fake)[:size]) for size in sizes]
    return float(np.polynomial.Polynomial.fit(1 / sizes, found, deg=1)(0.0))


def biases(case: Case, draws: int, generator: Generator) -> Sequence[object]:
    """A row: means and standard deviations over draws."""
    found = []
    for _ in range(draws):
        real, fake = case.draw(generator)
        seed = int(generator.integers(2**31))
        found.append((distance(real, fake), fake_only(real, fake, generator), at_infinity(real, fake, seed=seed)))
    means, deviations = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    shown = (f"{mean:.3f} ± {deviation:.3f}" for mean, deviation in zip(means, deviations, strict=True))
    return case.name, case.width, f"{case.real:,}", f"{case.fake:,}", f"{case.true:.3f}", *shown


def coverage(case: Case, draws: int, resamples: int, generator: Generator) -> Sequence[object]:
    """A row: share of the intervals that hold the expected distance at these numbers of images, and the true one."""
    expected = float(np.mean([distance(*case.draw(generator)) for _ in range(10 * draws)]))
    found = [
        bootstrap(*case.draw(generator), resamples=resamples, seed=int(generator.integers(2**31))) for _ in range(draws)
    ]
    shares = (
        f"{100 * np.mean([each.low <= value <= each.high for each in found]):.1f}" for value in (expected, case.true)
    )
    return case.name, case.width, f"{case.real:,}", f"{case.fake:,}", f"{case.true:.3f}", f"{expected:.3f}", *shares


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a Markdown table."""
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    print(flush=True)


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200, help="pairs of sets per row")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    shifted = {"shift": 0.2, "scale": 1.1}
    print(
        "# Bias of the Fréchet distance\n\n"
        f"Written by `benchmarks/fid/frechet_bias.py --draws {options.draws} --seed {options.seed}`: {options.draws} "
        "pairs of feature sets per row.\n\n## The distance, and its limit for infinitely many images\n\n"
        "Mean ± standard deviation over the pairs. `--infinity` extrapolates both sets; up to revision 7a3ffc4 it "
        "extrapolated the fake set only.\n"
    )
    places = ("sets", "features", "real", "fake", "true distance")
    cases = [
        *(gaussians(16, count, count, **shifted) for count in (200, 400, 800, 1600)),
        gaussians(16, 1600, 400, **shifted),
        gaussians(16, 400, 1600, **shifted),
        gaussians(16, 400, 400, shift=0.0, scale=1.0),
        gaussians(64, 700, 700, **shifted),
        gaussians(64, 2000, 2000, **shifted),
        halves_of_digits(),
    ]
    table(
        [*places, "distance", "fake set only", "both sets"], [biases(case, options.draws, generator) for case in cases]
    )
    print(
        "## Coverage of the 95 % bootstrap interval\n\n"
        f"Percent of {2 * options.draws} intervals, from {RESAMPLES} resamples each, that hold the expected distance "
        "at these numbers of images, which is what they are of, and the true distance, which they are not of.\n"
    )
    table(
        [*places, "expected distance", "holds the expected", "holds the true"],
        [
            coverage(case, 2 * options.draws, RESAMPLES, generator)
            for case in (
                *(gaussians(8, count, count, **shifted) for count in (100, 200, 800)),
                gaussians(8, 400, 100, **shifted),
                gaussians(8, 200, 200, shift=0.0, scale=1.0),
                gaussians(8, 400, 400, shift=1.0, scale=1.0),
                gaussians(16, 400, 400, **shifted),
            )
        ],
    )


if __name__ == "__main__":
    main()
