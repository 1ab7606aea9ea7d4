"""Scaling: how values grow with the number of tokens, and where one model is faster than another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95

MIN_POINTS = 3
"""Fewest points of a fit: a line through two points has no interval."""


@dataclass(frozen=True, kw_only=True)
class Exponent:
    """Growth exponent a of y ~ T^a, with T tokens: the slope of the least-squares line through the logarithms.

    The interval is Student's at CONFIDENCE. The residuals are mostly curvature, not noise: a wide interval means that a
    single power does not describe the points.
    """

    value: float
    low: float
    high: float
    num_points: int


Standing = Literal["faster", "slower", "indistinguishable"]
"""Position of a ratio's interval: above 1, below it, or around it. Without an interval a ratio is indistinguishable."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Neighbouring resolutions of equal standing."""

    standing: Standing
    first_px: float
    last_px: float


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Point where the line between neighbouring points, on logarithmic axes, crosses a ratio of 1."""

    px: float
    low_px: float | None
    high_px: float | None
    """Ends of the range in which the ratio's interval, interpolated in the same way, contains 1.

    None if it contains 1 up to the end of the measured resolutions, or without an interval.
    """
    is_faster_above: bool
    """True if the ratio is above 1 at larger resolutions."""


def exponent(tokens: ArrayLike, values: ArrayLike) -> Exponent | None:
    """Fits the growth exponent. Returns None for fewer than MIN_POINTS different numbers of tokens with a value."""
    from scipy.special import stdtrit
    from scipy.stats import linregress

    T, y = (np.asarray(each, dtype=float) for each in (tokens, values))
    found = (T > 0) & (y > 0)
    if len(np.unique(T[found])) < MIN_POINTS:
        return None
    fit = linregress(np.log(T[found]), np.log(y[found]))
    # For constant values scipy returns NaN: the line fits them exactly.
    half = float(stdtrit(found.sum() - 2, 0.5 + CONFIDENCE / 2) * np.nan_to_num(fit.stderr))
    return Exponent(
        value=float(fit.slope), low=float(fit.slope) - half, high=float(fit.slope) + half, num_points=int(found.sum())
    )


def faster_from_px(curve: Sequence[tuple[float, float]]) -> float:
    """Returns the smallest measured resolution from which the ratio stays above 1; infinity when it never does.

    `curve` holds (resolution in px, ratio of speeds), ascending. NaN counts as slower.
    """
    start = math.inf
    for px, ratio in reversed(curve):
        if not ratio > 1:
            break
        start = float(px)
    return start


def standing(low: float, high: float) -> Standing:
    """Returns the standing of a ratio of speeds by the ends of its interval; missing ends are NaN."""
    if low > 1 and high > 1:
        return "faster"
    return "slower" if low < 1 and high < 1 else "indistinguishable"


def stretches(points: Iterable[tuple[float, Standing]]) -> list[Stretch]:
    """Returns the stretches of points (measured resolution in px, standing), ascending by resolution."""
    found = [(each, [px for px, _ in group]) for each, group in groupby(points, key=lambda point: point[1])]
    return [Stretch(standing=each, first_px=places[0], last_px=places[-1]) for each, places in found]


def interpolated_stretches(px: ArrayLike, low: ArrayLike, high: ArrayLike) -> list[Stretch]:
    """Returns stretches that join: between resolutions they end where an end of the interval crosses 1.

    The ends of the interval are interpolated as in `crossings`.
    """
    x, bottom, top = (np.log(np.asarray(each, dtype=float)) for each in (px, low, high))
    edges = np.unique([x[0], *_zeros(x, bottom), *_zeros(x, top), x[-1]])
    middles = (edges[1:] + edges[:-1]) / 2
    between = [standing(*np.exp([np.interp(middle, x, bottom), np.interp(middle, x, top)])) for middle in middles]
    parts = zip(between, np.exp(edges[:-1]), np.exp(edges[1:]), strict=True)
    return [
        Stretch(standing=each, first_px=float(group[0][1]), last_px=float(group[-1][2]))
        for each, group in ((key, list(found)) for key, found in groupby(parts, key=lambda part: part[0]))
    ]


def crossings(px: ArrayLike, ratio: ArrayLike, low: ArrayLike, high: ArrayLike) -> list[Crossing]:
    """Returns every crossing of a ratio of speeds over ascending resolutions, with the ends of its interval at each."""
    x, value, bottom, top = (np.log(np.asarray(each, dtype=float)) for each in (px, ratio, low, high))
    edges = np.sort([*_zeros(x, bottom), *_zeros(x, top)])
    return [
        Crossing(
            px=float(np.exp(zero)),
            low_px=_edge(edges[edges <= zero][-1:]),
            high_px=_edge(edges[edges >= zero][:1]),
            is_faster_above=bool(value[x > zero][0] > 0),
        )
        for zero in _zeros(x, value)
    ]


def _zeros(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[float]:
    """Zeros of the lines between the points. A ratio of exactly 1 counts as slower, as in `faster_from_px`."""
    return [
        float(x[i] - y[i] * (x[i + 1] - x[i]) / (y[i + 1] - y[i]))
        for i in range(len(x) - 1)
        if (y[i] > 0) != (y[i + 1] > 0) and np.isfinite([y[i], y[i + 1]]).all()
    ]


def _edge(edge: NDArray[np.float64]) -> float | None:
    return float(np.exp(edge[0])) if len(edge) else None
