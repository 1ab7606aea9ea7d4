"""The noise that the cells of one comparison share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from dig_bench.compare.calibration import Noise
from dig_bench.compare.decision import MIN_PROCESSES

MIN_CELLS = 6
"""Cells below which the spread of their variances is unknown."""

MAX_DEGREES = 50.0
"""Upper limit of a prior's weight: among cells that seem to share one variance, one may still differ."""


def shared_noise(sides: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Noise | None:
    """Estimates a prior for the noise of each cell from all cells' values of one metric.

    `sides` holds (base, candidate) per cell. Returns None with fewer than MIN_CELLS cells that have a variance.
    """
    enough = ((base, candidate) for base, candidate in sides if min(len(base), len(candidate)) >= MIN_PROCESSES)
    return prior([_variance(base, candidate) for base, candidate in enough])


def prior(variances: Sequence[tuple[float, int]]) -> Noise | None:
    """Fits a prior to cells' variances, given as (variance, degrees of freedom).

    Smyth's estimate (doi 10.2202/1544-6115.1027, section 6.2) takes the true variances to follow a scaled inverse
    chi-squared distribution, and fits its scale and degrees of freedom to the logarithms of the sample variances. The
    more the cells' variances differ, the fewer degrees the prior has, and the less each cell borrows from the others.
    Returns None with fewer than MIN_CELLS positive variances.
    """
    # Values without any spread show that the clock is coarse, not that there is no noise.
    known = [(variance, degrees) for variance, degrees in variances if variance > 0 and degrees > 0]
    if len(known) < MIN_CELLS:
        return None
    halves = np.array([degrees / 2 for _, degrees in known])
    logs = np.log([variance for variance, _ in known]) - digamma(halves) + np.log(halves)
    spread = float(np.var(logs, ddof=1) - polygamma(1, halves).mean())
    half = MAX_DEGREES / 2
    if spread > float(polygamma(1, half)):
        # The trigamma function falls from infinity to 0; between 1e-3 and 25 lies every spread that matters.
        half = brentq(lambda x: float(polygamma(1, x)) - spread, 1e-3, half) if spread < 1e5 else 1e-3
    return Noise(sd=math.exp((float(logs.mean()) + float(digamma(half)) - math.log(half)) / 2), degrees=2 * half)


def _variance(base: Sequence[float], candidate: Sequence[float]) -> tuple[float, int]:
    """Returns the variance of log values within the two sides, and its degrees of freedom."""
    sides = [np.log(side) for side in (base, candidate)]
    degrees = len(base) + len(candidate) - 2
    return float(sum(((side - side.mean()) ** 2).sum() for side in sides)) / degrees, degrees
