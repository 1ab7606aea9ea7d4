"""The baseline of a panel, the model that speed-ups are against, and the competitors that sentences are about."""

from __future__ import annotations

import pandas as pd

from dig_bench.results.names import split

OURS = "DiG"
"""Family that the page is about."""

_OWN = (OURS, "U-DiG")
"""Families of gated linear attention. Models of every other family are competitors."""

_NO_CONTENDER = "reference"
"""Backend that specifies an operation and is not built for speed."""


def contenders(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows that a sentence may compare: measured, not slowed down by the device, built for speed."""
    return rows[rows["is_measured"] & (rows["status"] != "throttled") & (rows["backend"] != _NO_CONTENDER)]


def competitors(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the contenders of all families but those of DiG."""
    found = contenders(rows)
    return found[~found["family"].isin(_OWN)]


def fastest(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the row with the smallest latency at each resolution, from small to large resolutions."""
    return rows.sort_values("latency_ms_median").drop_duplicates("resolution_px").sort_values("resolution_px")


def baseline_of(rows: pd.DataFrame, wanted: str | None = None) -> str | None:
    """Returns the name of a panel's baseline among rows of one size, or None when it has none.

    `wanted` is a model@backend or family@backend. A model stands for its family, so that the baseline follows the size.
    The default is the competitor, whatever its backend, that is the fastest at the most resolutions; of several, the
    one at the largest.
    """
    if wanted:
        found = rows[rows["is_measured"]].sort_values("resolution_px")
        return _first(found[_matches(found, wanted)])
    names = fastest(competitors(rows))["name"]
    counts = names.value_counts()
    return _first(names[names.map(counts) == counts.max()].iloc[::-1].to_frame())


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
