"""Fréchet distance between two sets of features, modeled as Gaussians. Heusel et al., arXiv 1706.08500.

    d**2 = |m1 - m2|**2 + tr(C1) + tr(C2) - 2 tr((C1 C2)**0.5)

The last trace is the sum of the singular values of C1**0.5 C2**0.5. This avoids the root of an asymmetric matrix, which
loses precision when a covariance is singular.
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
    """Mean (D,) and unbiased covariance (D, D) of features, and the number of images."""

    mean: Array
    covariance: Array
    count: int

    @staticmethod
    def of(features_ND: ArrayLike) -> Moments:
        """Returns the moments in float64. Raises ValueError as `checked` does."""
        features = checked(features_ND)
        mean_D = features.mean(axis=0)
        centred = features - mean_D
        return Moments(mean=mean_D, covariance=centred.T @ centred / (len(features) - 1), count=len(features))


def checked(features_ND: ArrayLike) -> Array:
    """Returns the features as float64 (N, D).

    Raises ValueError for another shape, for fewer than two images, and for values that are not finite.
    """
    features = np.asarray(features_ND, dtype=np.float64)
    if features.ndim != 2:
        raise ValueError(f"features must have shape (images, features), not {features.shape}")
    if len(features) < 2:
        raise ValueError(f"{len(features)} images are too few for a covariance: take at least 2")
    if not np.isfinite(features).all():
        raise ValueError("the features are not finite: NaN or infinite")
    return features


def frechet_distance(real: Moments, fake: Moments) -> float:
    """Returns the squared distance, as FID does. Raises ValueError for different numbers of features."""
    if real.mean.shape != fake.mean.shape:
        raise ValueError(f"{len(real.mean)} features on one side, {len(fake.mean)} on the other")
    overlap = linalg.svdvals(_root(real.covariance) @ _root(fake.covariance)).sum()
    difference = real.mean - fake.mean
    squared = difference @ difference + np.trace(real.covariance) + np.trace(fake.covariance) - 2 * overlap
    # For equal sets, rounding can make it slightly negative.
    return max(float(squared), 0.0)


def _root(covariance_DD: Array) -> Array:
    """Returns the symmetric root of a positive semidefinite matrix; eigenvalues below zero are rounding errors."""
    values_D, vectors_DD = linalg.eigh(covariance_DD)
    root_DD: Array = (vectors_DD * np.sqrt(np.maximum(values_D, 0))) @ vectors_DD.T
    return root_DD
