"""Uncertainty of a Fréchet distance: its bootstrap interval, and its limit for infinitely many images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dig_bench.fid.frechet import Array, Moments, frechet_distance

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Bounds of a confidence interval."""

    low: float
    high: float


def check_resamples(count: int) -> None:
    """Raises ValueError for fewer than two resamples, which have no spread."""
    if count < 2:
        raise ValueError(f"--bootstrap needs at least 2 resamples, not {count}")


# N images, D features
def bootstrap(real_ND: Array, fake_ND: Array, *, resamples: int = 200, seed: int = 0) -> Interval:
    """Returns the 95 % interval of the distance for as many other images from the same two sources.

    A resample repeats images, which biases its distance upward, by about as much as the distance itself is biased for
    that number of images. So the interval is that of the resamples, shifted from their mean to the distance.
    """
    check_resamples(resamples)
    generator = np.random.default_rng(seed)

    def resampled(features_ND: Array) -> Moments:
        return Moments.of(features_ND[generator.integers(len(features_ND), size=len(features_ND))])

    found = frechet_distance(Moments.of(real_ND), Moments.of(fake_ND))
    drawn = np.array([frechet_distance(resampled(real_ND), resampled(fake_ND)) for _ in range(resamples)])
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]) - drawn.mean() + found
    return Interval(low=max(float(low), 0.0), high=float(high))


def at_infinity(real_ND: Array, fake_ND: Array, *, points: int = 15, seed: int = 0) -> float:
    """Returns the distance for infinitely many fake images. Chong & Forsyth, arXiv 1911.07023.

    The bias at N images is about proportional to 1 / N. So a line is fitted over 1 / N to the distances of subsets,
    from a tenth of the fake images to all, and evaluated at zero. The result may be slightly negative. Raises
    ValueError if a tenth of the images are no more than there are features.
    """
    count, features = fake_ND.shape
    smallest = count // 10
    if smallest <= features:
        raise ValueError(f"{count} images are too few for --infinity: {features} features need {10 * (features + 1)}")
    generator = np.random.default_rng(seed)
    real = Moments.of(real_ND)
    sizes = np.linspace(smallest, count, points).astype(int)
    found = [frechet_distance(real, Moments.of(generator.permutation(fake_ND)[:size])) for size in sizes]
    return float(np.polynomial.Polynomial.fit(1 / sizes, found, deg=1)(0.0))
