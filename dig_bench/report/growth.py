"""Growth exponents and crossovers of a panel's models."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from dig_bench.results.scaling import MIN_POINTS, Crossing, Stretch, crossings, exponent, standing, stretches

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


def crossovers(curve: pd.DataFrame) -> list[Crossing]:
    """Returns where the intervals of a model's speed and the baseline's separate on both sides of a crossing.

    `curve` holds points of `tables.speedup` of one model, ascending. Crossings with an open end are left out: they are
    ranges, not resolutions.
    """
    found = crossings(*(curve[column].to_numpy() for column in ("resolution_px", "value", "low", "high")))
    return [each for each in found if each.low_px is not None and each.high_px is not None]


def measured_stretches(curve: pd.DataFrame) -> list[Stretch]:
    """Returns the stretches of measured resolutions at which the model is faster, slower or indistinguishable."""
    return stretches(
        (float(px), standing(low, high))
        for px, low, high in zip(curve["resolution_px"], curve["low"], curve["high"], strict=True)
    )
