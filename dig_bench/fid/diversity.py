"""Fidelity and diversity, which a distance between two Gaussians mixes: inception score, precision, recall."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from dig_bench.fid.frechet import Array, checked

NEIGHBORS = 3
"""Number of neighbors in arXiv 1904.06991."""

_CHUNK = 1024
"""Rows of the distance matrix to compute at a time."""


# N images, D features, K classes
def inception_score(probability_NK: ArrayLike) -> float:
    """Returns exp of the mean divergence of an image's class probabilities from their average: 1 to K.

    Source: arXiv 1606.03498, but for all images at once, not averaged over splits. Raises ValueError for rows that are
    not probabilities.
    """
    probabilities = np.asarray(probability_NK, dtype=np.float64)
    if probabilities.ndim != 2 or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        raise ValueError("class probabilities must be a matrix whose rows sum to one")
    return float(np.exp(rel_entr(probabilities, probabilities.mean(axis=0)).sum(axis=1).mean()))


@dataclass(frozen=True, kw_only=True)
class PrecisionRecall:
    """Precision, the share of fake images among the real ones, and recall, of real images among the fake ones."""

    precision: float
    recall: float


def precision_recall(real_ND: ArrayLike, fake_ND: ArrayLike, *, neighbors: int = NEIGHBORS) -> PrecisionRecall:
    """Returns precision and recall by Kynkäänniemi et al., arXiv 1904.06991.

    An image lies among others if it is nearer to one of them than that one's `neighbors`-th neighbor. Raises
    ValueError if there are no more images than neighbors.
    """
    real, fake = checked(real_ND), checked(fake_ND)
    for side in (real, fake):
        if len(side) <= neighbors:
            raise ValueError(f"{len(side)} images are too few to have {neighbors} neighbors each")
    return PrecisionRecall(precision=_share_among(fake, real, neighbors), recall=_share_among(real, fake, neighbors))


def _share_among(points_ND: Array, cloud_MD: Array, neighbors: int) -> float:
    # The nearest point is the point itself.
    radius_M = np.concatenate(
        [np.partition(rows, neighbors, axis=1)[:, neighbors] for rows in _distances(cloud_MD, cloud_MD)]
    )
    return float(np.concatenate([(rows <= radius_M).any(axis=1) for rows in _distances(points_ND, cloud_MD)]).mean())


def _distances(points_ND: Array, cloud_MD: Array) -> Iterator[Array]:
    """Yields squared distances, in chunks of rows."""
    norm_M = np.square(cloud_MD).sum(axis=1)
    chunks = (points_ND[start : start + _CHUNK] for start in range(0, len(points_ND), _CHUNK))
    yield from (np.square(rows).sum(axis=1)[:, None] + norm_M - 2 * rows @ cloud_MD.T for rows in chunks)
