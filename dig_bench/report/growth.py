"""How time and memory grow with the number of tokens, and the resolutions at which one model overtakes another."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit
from scipy.stats import linregress

from dig_bench.report import tables

CONFIDENCE = 0.95

LEAST_POINTS = 3
"""With two, a line has no interval."""

QUANTITIES = {"time": "latency_ms_median", "memory": "memory_gb"}

SPANS: dict[str, int | None] = {"all": None, "largest": LEAST_POINTS}
"""How many of the largest resolutions a fit takes: the small ones are bound by launches and weights, which stay."""


@dataclass(frozen=True, kw_only=True)
class Exponent:
    """a in y ~ T^a, T the number of tokens: the slope of the least-squares line through the logarithms.

    The interval is Student's, of CONFIDENCE. What the line misses is mostly curvature, not noise: a wide interval says
    that one power does not describe these points.
    """

    value: float
    low: float
    high: float
    num_points: int


@dataclass(frozen=True, kw_only=True)
class Crossover:
    """Where the straight line between neighbouring measured resolutions, both axes logarithmic, crosses equal speed."""

    px: float
    low_px: float | None
    high_px: float | None
    """As far as the interval of the ratio of speeds, drawn the same way, holds 1; None where it does so up to the end
    of what was measured, or where a latency has no interval."""
    is_faster_above: bool
    """Whether the model is the faster one at larger resolutions."""


def exponent(tokens: ArrayLike, values: ArrayLike) -> Exponent | None:
    """None for fewer than LEAST_POINTS different numbers of tokens with a value."""
    T, y = (np.asarray(each, dtype=float) for each in (tokens, values))
    found = (T > 0) & (y > 0)
    if len(np.unique(T[found])) < LEAST_POINTS:
        return None
    fit = linregress(np.log(T[found]), np.log(y[found]))
    # scipy gives a constant no error; the line meets it exactly.
    half = float(stdtrit(found.sum() - 2, 0.5 + CONFIDENCE / 2) * np.nan_to_num(fit.stderr))
    return Exponent(
        value=float(fit.slope), low=float(fit.slope) - half, high=float(fit.slope) + half, num_points=int(found.sum())
    )


def exponents(rows: pd.DataFrame) -> pd.DataFrame:
    """Of a panel's rows: `name, family, backend, status, quantity, span, value, low, high, num_points`."""
    found = []
    for name, curve in rows[rows["is_measured"]].sort_values("num_tokens").groupby("name", sort=False):
        known = {"name": name, "family": curve["family"].iloc[0], "backend": curve["backend"].iloc[0], "status": "ok"}
        for quantity, column in QUANTITIES.items():
            points = curve.dropna(subset=["num_tokens", column])
            for span, count in SPANS.items():
                chosen = points if count is None else points.tail(count)
                if fit := exponent(chosen["num_tokens"], chosen[column]):
                    found.append({**known, "quantity": quantity, "span": span, **asdict(fit)})
    return pd.DataFrame(found)


def crossovers(rows: pd.DataFrame, name: str, baseline: str) -> list[Crossover]:
    """Of the speeds of two models of a panel, from small to large resolutions; empty when one is always the faster."""
    ratios = tables.speedup(rows, baseline)
    curve = ratios[(ratios["name"] == name) & ratios["value"].notna()].sort_values("resolution_px")
    x, value, low, high = (np.log(curve[each].to_numpy()) for each in ("resolution_px", "value", "low", "high"))
    edges = np.sort([*_zeros(x, low), *_zeros(x, high)])
    return [
        Crossover(
            px=float(np.exp(zero)),
            low_px=_px(edges[edges <= zero][-1:]),
            high_px=_px(edges[edges >= zero][:1]),
            is_faster_above=bool(value[x > zero][0] > 0),
        )
        for zero in _zeros(x, value)
    ]


def _zeros(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[float]:
    """Of the lines between the points, where their sign changes; equal counts as slower, as in the page's sentences."""
    return [
        float(x[i] - y[i] * (x[i + 1] - x[i]) / (y[i + 1] - y[i]))
        for i in range(len(x) - 1)
        if (y[i] > 0) != (y[i + 1] > 0) and np.isfinite([y[i], y[i + 1]]).all()
    ]


def _px(edge: NDArray[np.float64]) -> float | None:
    return float(np.exp(edge[0])) if len(edge) else None
