"""What a distance between two Gaussians does not tell: is each image good, and are all kinds of them there?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from dig_bench.fid.frechet import Array, checked

NEIGHBOURS = 3
"""Of arXiv 1904.06991."""

_CHUNK = 1024
"""Rows of the table of distances at a time."""


# N images, D features, K classes
def inception_score(probability_NK: ArrayLike) -> float:
    """exp of the mean divergence of an image's class probabilities from their average: 1 to K. arXiv 1606.03498.

    Of all images at once, not averaged over splits. ValueError for rows that are no probabilities.
    """
    probabilities = np.asarray(probability_NK, dtype=np.float64)
    if probabilities.ndim != 2 or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        raise ValueError("class probabilities are a table whose rows sum to one")
    return float(np.exp(rel_entr(probabilities, probabilities.mean(axis=0)).sum(axis=1).mean()))


@dataclass(frozen=True, kw_only=True)
class PrecisionRecall:
    """Shares, 0 to 1: of fake images that lie among the real ones, and of real images among the fake ones."""

    precision: float
    recall: float


def precision_recall(real_ND: ArrayLike, fake_ND: ArrayLike, *, neighbours: int = NEIGHBOURS) -> PrecisionRecall:
    """Kynkäänniemi et al., arXiv 1904.06991: an image lies among others when it is within the distance of any of them
    to its own `neighbours`-th neighbour. ValueError for too few images to have so many neighbours."""
    real, fake = checked(real_ND), checked(fake_ND)
    for side in (real, fake):
        if len(side) <= neighbours:
            raise ValueError(f"{len(side)} images are too few to have {neighbours} neighbours each")
    return PrecisionRecall(precision=_share_among(fake, real, neighbours), recall=_share_among(real, fake, neighbours))


def _share_among(points_ND: Array, cloud_MD: Array, neighbours: int) -> float:
    # The nearest of all is the point itself.
    radius_M = np.concatenate(
        [np.partition(rows, neighbours, axis=1)[:, neighbours] for rows in _distances(cloud_MD, cloud_MD)]
    )
    return float(np.concatenate([(rows <= radius_M).any(axis=1) for rows in _distances(points_ND, cloud_MD)]).mean())


def _distances(points_ND: Array, cloud_MD: Array) -> Iterator[Array]:
    """Squared distances, in chunks of rows."""
    norm_M = np.square(cloud_MD).sum(axis=1)
    chunks = (points_ND[start : start + _CHUNK] for start in range(0, len(points_ND), _CHUNK))
    yield from (np.square(rows).sum(axis=1)[:, None] + norm_M - 2 * rows @ cloud_MD.T for rows in chunks)
