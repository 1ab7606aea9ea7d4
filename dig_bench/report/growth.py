"""Growth exponents and crossovers of a panel's models."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from dig_bench.results.scaling import MIN_POINTS, Crossing, crossings, exponent

QUANTITIES = {"time": "latency_ms_median", "memory": "memory_gb"}

SPANS: dict[str, int | None] = {"all": None, "largest": MIN_POINTS}
"""Span -> number of largest resolutions that a fit takes. Launches and weights dominate the small ones."""


def exponents(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns `name, family, backend, status, quantity, span, value, low, high, num_points` of a panel's rows."""
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


def crossovers(ratios: pd.DataFrame, name: str) -> list[Crossing]:
    """Returns where a model's speed crosses the baseline's, from small to large resolutions.

    `ratios` are the points of `tables.speedup`. The list is empty when one of the two is always faster.
    """
    curve = ratios[(ratios["name"] == name) & ratios["value"].notna()].sort_values("resolution_px")
    return crossings(*(curve[column].to_numpy() for column in ("resolution_px", "value", "low", "high")))
