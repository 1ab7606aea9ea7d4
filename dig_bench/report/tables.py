"""Selections from prepared rows: what the figures show, as data.

Unless said otherwise a function returns points: `name, family, backend, size, resolution_px, status, value` and, where
they exist, the confidence interval `low, high` and the range of single iterations `p05, p95`. `value` is missing where
nothing was measured; the status says why.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dig_bench.render.numbers import status_words
from dig_bench.results.names import split

KEYS = ["name", "family", "backend", "size", "resolution_px", "status"]
PARTS = ("forward", "backward", "optimizer")


def speed(rows: pd.DataFrame) -> pd.DataFrame:
    """Images per second, from the median latency and its interval."""
    per_image = 1e3 * rows["batch_size"]
    return rows[KEYS].assign(
        value=per_image / rows["latency_ms_median"],
        low=per_image / rows["latency_ms_ci_high"],
        high=per_image / rows["latency_ms_ci_low"],
        p05=per_image / rows["latency_ms_p95"],
        p95=per_image / rows["latency_ms_p05"],
    )


def memory(rows: pd.DataFrame) -> pd.DataFrame:
    """Peak memory in GB of 10^9 bytes."""
    return rows[KEYS].assign(value=rows["memory_gb"])


def energy(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Those that any row has of `energy` in J per image, `power` in W, the mean while the device is kept busy, and
    `energy-delay` in J·s, the energy of an image times the time of a call."""
    found = {
        "energy": rows["energy_j_per_image"],
        "power": rows["power_w_mean"].where(rows["is_measured"] & (rows["power_w_mean"] > 0)),
        "energy-delay": rows["energy_j_per_image"] * rows["latency_ms_median"] / 1e3,
    }
    return {name: rows[KEYS].assign(value=values) for name, values in found.items() if values.notna().any()}


def baseline_of(rows: pd.DataFrame, wanted: str | None = None) -> str | None:
    """The name of a panel's baseline among rows of one size, or None when it has none.

    wanted is a model@backend, or family@backend; a model's name stands for its family, so that the baseline follows the
    size. Without it: DiT with the attention matrix materialised, else the slowest DiT at the largest resolution.
    """
    found = rows[rows["is_measured"]].sort_values("resolution_px")
    if wanted:
        return _first(found[_is_meant(found, wanted)])
    dit = found[found["family"] == "DiT"]
    math = _first(dit[dit["backend"] == "math"])
    slowest_first = dit.sort_values(["resolution_px", "latency_ms_median"], ascending=[False, False])
    return math or _first(slowest_first)


def check_baseline(rows: pd.DataFrame, wanted: str) -> None:
    """ValueError with the choices when no measured row is meant by `wanted`."""
    found = rows[rows["is_measured"]]
    if not _is_meant(found, wanted).any():
        choices = ", ".join(sorted(found["name"].unique())) or "none: no row was measured"
        raise ValueError(f"no measured baseline {wanted!r}; the choices are {choices}")


def speedup(rows: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """How many times as fast as the baseline at the same resolution, and `memory_saving`, the fraction of its memory
    not needed. The interval is the widest that the two latencies' intervals allow. Where the baseline was not measured,
    the status says so."""
    found = [
        *(name for name in rows.columns if str(name).startswith("latency_ms_")),
        "memory_gb",
        "status",
        "is_measured",
    ]
    against = rows.loc[rows["name"] == baseline, ["resolution_px", *found]]
    both = rows.merge(against, on="resolution_px", how="inner", suffixes=("", "_base"))
    comparable = both["is_measured_base"]
    return both[KEYS].assign(
        status=both["status"].where(comparable, "no baseline: " + both["status_base"].map(status_words)),
        value=both["latency_ms_median_base"] / both["latency_ms_median"],
        low=both["latency_ms_ci_low_base"] / both["latency_ms_ci_high"],
        high=both["latency_ms_ci_high_base"] / both["latency_ms_ci_low"],
        memory_saving=1 - both["memory_gb"] / both["memory_gb_base"],
    )


def launch_bound(rows: pd.DataFrame) -> pd.DataFrame:
    """1 - graph / eager of the median latencies, for the cells measured both ways: the share of the eager time in which
    the device waits for the host. Rows of one mode, precision, batch and device."""
    cell = ["name", "resolution_px"]
    eager = rows[(rows["execution"] == "eager") & rows["is_measured"]]
    graph = rows.loc[(rows["execution"] == "graph") & rows["is_measured"], [*cell, "latency_ms_median"]]
    both = eager.merge(graph, on=cell, suffixes=("", "_graph"))
    return both[KEYS].assign(value=1 - both["latency_ms_median_graph"] / both["latency_ms_median"])


def training_parts(rows: pd.DataFrame) -> pd.DataFrame:
    """`name, family, backend, resolution_px, forward, backward, optimizer` in ms, at the largest of the resolutions at
    which the most models have them."""
    columns = {f"{part}_ms_median": part for part in PARTS}
    found = rows.dropna(subset=list(columns))[[*KEYS, *columns]].rename(columns=columns)
    if found.empty:
        return found
    counts = found.groupby("resolution_px")["name"].nunique()
    return found[found["resolution_px"] == counts[counts == counts.max()].index.max()]


def crossover_px(ratios: pd.DataFrame, name: str) -> float | None:
    """The resolution from which on `name` is faster than the baseline at every larger one; None when it never is."""
    curve = ratios[(ratios["name"] == name) & ratios["value"].notna()].sort_values("resolution_px")
    slower = np.flatnonzero(curve["value"] <= 1)
    after = slower[-1] + 1 if len(slower) else 0
    return float(curve["resolution_px"].iloc[after]) if after < len(curve) else None


def _is_meant(rows: pd.DataFrame, wanted: str) -> pd.Series:
    model, _, backend = wanted.partition("@")
    same_family = rows["family"] == split(model)[0]
    return same_family & (rows["backend"] == backend) if backend else same_family


def _first(rows: pd.DataFrame) -> str | None:
    return rows["name"].iloc[0] if len(rows) else None
