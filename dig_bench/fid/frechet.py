"""The Fréchet distance between two sets of features, each taken as a Gaussian. Heusel et al., arXiv 1706.08500.

    d**2 = |m1 - m2|**2 + tr(C1) + tr(C2) - 2 tr((C1 C2)**0.5)

The last trace is the sum of the singular values of C1**0.5 C2**0.5. So computed it needs no root of a matrix that is
not symmetric, which is where other ways lose their digits once a covariance is singular.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

Array = NDArray[np.float64]


# N images, D features
@dataclass(frozen=True, kw_only=True)
class Moments:
    """Mean (D,) and unbiased covariance (D, D) of features, and the number of images that they come from."""

    mean: Array
    covariance: Array
    count: int

    @staticmethod
    def of(features_ND: ArrayLike) -> Moments:
        """In float64, whatever came. ValueError for fewer than two images, and for features that are not finite."""
        features = checked(features_ND)
        mean_D = features.mean(axis=0)
        centred = features - mean_D
        return Moments(mean=mean_D, covariance=centred.T @ centred / (len(features) - 1), count=len(features))


def checked(features_ND: ArrayLike) -> Array:
    """As (N, D) float64. ValueError for another shape, for fewer than two images, for values that are not finite."""
    features = np.asarray(features_ND, dtype=np.float64)
    if features.ndim != 2:
        raise ValueError(f"features are a table of images by features, not of shape {features.shape}")
    if len(features) < 2:
        raise ValueError(f"{len(features)} images are too few for a covariance: at least 2")
    if not np.isfinite(features).all():
        raise ValueError("the features are not finite: NaN or infinite")
    return features


def frechet_distance(real: Moments, fake: Moments) -> float:
    """The squared distance, which is what FID is. ValueError for different numbers of features."""
    if real.mean.shape != fake.mean.shape:
        raise ValueError(f"{len(real.mean)} features on one side, {len(fake.mean)} on the other")
    overlap = linalg.svdvals(_root(real.covariance) @ _root(fake.covariance)).sum()
    difference = real.mean - fake.mean
    squared = difference @ difference + np.trace(real.covariance) + np.trace(fake.covariance) - 2 * overlap
    # Of equal sets rounding can leave a zero from below.
    return max(float(squared), 0.0)


def _root(covariance_DD: Array) -> Array:
    """The symmetric root of a positive semidefinite matrix, whose zero eigenvalues may have come out below zero."""
    values_D, vectors_DD = linalg.eigh(covariance_DD)
    root_DD: Array = (vectors_DD * np.sqrt(np.maximum(values_D, 0))) @ vectors_DD.T
    return root_DD
