"""How sure a Fréchet distance is: its spread by the bootstrap, and its limit for infinitely many images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dig_bench.fid.frechet import Array, Moments, frechet_distance

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    low: float
    high: float


def check_resamples(count: int) -> None:
    """ValueError for fewer than have a spread."""
    if count < 2:
        raise ValueError(f"a bootstrap needs 2 resamples or more, not {count}")


# N images, D features
def bootstrap(real_ND: Array, fake_ND: Array, *, resamples: int = 200, seed: int = 0) -> Interval:
    """95 %: where the distance of other images from the same two sources, as many of each, would lie.

    A resample repeats images, so that its distance comes out too high, by about the bias that the distance itself has
    at that number of images. So the resamples' spread counts, about their own mean, moved to the distance found.
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
    """The distance for infinitely many fake images. Chong & Forsyth, arXiv 1911.07023.

    At N images its bias is close to proportional to 1 / N: it is computed for subsets of a tenth up to all of the fake
    images, and the line through these points over 1 / N read off at zero. It may be slightly negative. ValueError when
    a tenth is less than one image more than there are features.
    """
    count, features = fake_ND.shape
    smallest = count // 10
    if smallest <= features:
        raise ValueError(
            f"{count} images are too few to extrapolate from: {features} features take {10 * (features + 1)}"
        )
    generator = np.random.default_rng(seed)
    real = Moments.of(real_ND)
    sizes = np.linspace(smallest, count, points).astype(int)
    found = [frechet_distance(real, Moments.of(generator.permutation(fake_ND)[:size])) for size in sizes]
    return float(np.polynomial.Polynomial.fit(1 / sizes, found, deg=1)(0.0))
