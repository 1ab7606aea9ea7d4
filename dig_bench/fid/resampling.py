"""Uncertainty of a Fréchet distance at its numbers of images, and its limit for infinitely many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dig_bench.fid.frechet import Array, Moments, frechet_distance

CONFIDENCE = 0.95

PARTS = 5
"""Largest number of parts that an extrapolation splits the images into."""


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
    """Returns the 95 % interval of the distance at these numbers of images: for other images from the same two sources.

    It does not contain the distance at infinitely many images, which is smaller: few images bias the distance upward,
    about in proportion to 1 / N. A resample repeats images, which biases its distance once more by about as much. So
    the interval is that of the resamples, shifted from their mean to the distance.
    """
    check_resamples(resamples)
    generator = np.random.default_rng(seed)

    def resampled(features_ND: Array) -> Moments:
        return Moments.of(features_ND[generator.integers(len(features_ND), size=len(features_ND))])

    found = frechet_distance(Moments.of(real_ND), Moments.of(fake_ND))
    drawn = np.array([frechet_distance(resampled(real_ND), resampled(fake_ND)) for _ in range(resamples)])
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]) - drawn.mean() + found
    return Interval(low=max(float(low), 0.0), high=float(high))


def at_infinity(real_ND: Array, fake_MD: Array, *, seed: int = 0) -> float:
    """Returns the distance for infinitely many images of both sets.

    The bias is about a / N + b / M for N real and M fake images: Chong & Forsyth, arXiv 1911.07023, who extrapolate the
    fake side only. Both sets are split into k parts, which makes the bias k times as large. A line is fitted over k to
    the mean distance between the parts, and evaluated at zero. The result may be slightly negative. Raises ValueError
    if a set split into PARTS has no more images per part than there are features.
    """
    features = real_ND.shape[1]
    for side, count in (("real", len(real_ND)), ("fake", len(fake_MD))):
        if count // PARTS <= features:
            raise ValueError(
                f"{count} {side} images are too few for --infinity: {features} features need {PARTS * (features + 1)}"
            )
    generator = np.random.default_rng(seed)
    real, fake = generator.permutation(real_ND), generator.permutation(fake_MD)
    numbers = np.arange(1, PARTS + 1)
    found = [
        np.mean([frechet_distance(Moments.of(a), Moments.of(b)) for a, b in zip(*sides, strict=True)])
        for sides in ((np.array_split(real, parts), np.array_split(fake, parts)) for parts in numbers)
    ]
    return float(np.polynomial.Polynomial.fit(numbers, found, deg=1)(0.0))
