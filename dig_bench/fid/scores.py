"""Scores of one set of images against another."""

from __future__ import annotations

from dataclasses import dataclass

from dig_bench.fid.diversity import inception_score, precision_recall
from dig_bench.fid.features import Features
from dig_bench.fid.frechet import Moments, frechet_distance
from dig_bench.fid.resampling import at_infinity, bootstrap

INTERVAL_OF = "95 % bootstrap interval of the distance at num_real and num_fake images, whose bias it contains"
INFINITY_OF = "distance extrapolated to infinitely many images of both sets"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Distance, precision, recall and class score of fake images."""

    metric: str
    """Name of the distance: `FD-digits`, or `FID` with Inception's features."""
    distance: float
    """Distance at `num_real` and `num_fake` images, biased upward by their finite numbers."""
    distance_low: float | None
    distance_high: float | None
    """Bounds of the 95 % bootstrap interval of the distance at these numbers of images; None without a bootstrap."""
    distance_at_infinity: float | None
    """Limit for infinitely many real and fake images; None if not requested."""
    class_score: float
    """Exponential of the mean divergence of the class probabilities; with Inception's features, the inception score."""
    precision: float
    recall: float
    num_real: int
    num_fake: int
    interval_of: str = INTERVAL_OF
    infinity_of: str = INFINITY_OF
    """Meaning of the interval and of the limit, for readers of the JSON file."""


def score(
    real: Features, fake: Features, *, metric: str, resamples: int = 0, infinity: bool = False, seed: int = 0
) -> Scores:
    """Scores `fake` against `real`. Raises ValueError if a side has no more images than there are features, since the
    distance would then mostly reflect their number."""
    features = real.features.shape[1]
    for side, count in (("real", len(real.features)), ("fake", len(fake.features))):
        if count <= features:
            raise ValueError(
                f"{count} {side} images are too few for a covariance of {features} features: "
                f"take at least {features + 1}"
            )
    interval = bootstrap(real.features, fake.features, resamples=resamples, seed=seed) if resamples else None
    shares = precision_recall(real.features, fake.features)
    return Scores(
        metric=metric,
        distance=frechet_distance(Moments.of(real.features), Moments.of(fake.features)),
        distance_low=interval.low if interval else None,
        distance_high=interval.high if interval else None,
        distance_at_infinity=at_infinity(real.features, fake.features, seed=seed) if infinity else None,
        class_score=inception_score(fake.probability),
        precision=shares.precision,
        recall=shares.recall,
        num_real=len(real.features),
        num_fake=len(fake.features),
    )
