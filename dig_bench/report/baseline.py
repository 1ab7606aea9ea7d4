"""The baseline of a panel: the model that speed-ups are against."""

from __future__ import annotations

import pandas as pd

from dig_bench.results.names import split


def baseline_of(rows: pd.DataFrame, wanted: str | None = None) -> str | None:
    """Returns the name of a panel's baseline among rows of one size, or None when it has none.

    `wanted` is a model@backend or family@backend. A model stands for its family, so that the baseline follows the size.
    The default is DiT@math, which materialises the attention matrix; without it, the slowest DiT at the largest
    resolution.
    """
    found = rows[rows["is_measured"]].sort_values("resolution_px")
    if wanted:
        return _first(found[_matches(found, wanted)])
    dit = found[found["family"] == "DiT"]
    math = _first(dit[dit["backend"] == "math"])
    slowest_first = dit.sort_values(["resolution_px", "latency_ms_median"], ascending=[False, False])
    return math or _first(slowest_first)


def check_baseline(rows: pd.DataFrame, wanted: str) -> None:
    """Raises ValueError with the choices when no measured row matches `wanted`."""
    found = rows[rows["is_measured"]]
    if not _matches(found, wanted).any():
        choices = ", ".join(sorted(found["name"].unique())) or "none: no row was measured"
        raise ValueError(f"no measured baseline {wanted!r}: the choices are {choices}")


def _matches(rows: pd.DataFrame, wanted: str) -> pd.Series:
    model, _, backend = wanted.partition("@")
    same_family = rows["family"] == split(model)[0]
    return same_family & (rows["backend"] == backend) if backend else same_family


def _first(rows: pd.DataFrame) -> str | None:
    return rows["name"].iloc[0] if len(rows) else None
