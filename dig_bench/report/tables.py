"""Points of the figures, selected from prepared rows.

Unless a function says otherwise, it returns points: `name, family, backend, size, resolution_px, status, value` and,
where they exist, the confidence interval `low, high` and the range of single iterations `p05, p95`. `value` is missing
where nothing was measured; the status says why.
"""

from __future__ import annotations

import pandas as pd

from dig_bench.render.numbers import status_words

POINT = ["name", "family", "backend", "size", "resolution_px", "status"]
PARTS = ("forward", "backward", "optimizer")


def speed(rows: pd.DataFrame) -> pd.DataFrame:
    """Images per second, from the median latency and its interval."""
    per_image = 1e3 * rows["batch_size"]
    return rows[POINT].assign(
        value=per_image / rows["latency_ms_median"],
        low=per_image / rows["latency_ms_ci_high"],
        high=per_image / rows["latency_ms_ci_low"],
        p05=per_image / rows["latency_ms_p95"],
        p95=per_image / rows["latency_ms_p05"],
    )


def memory(rows: pd.DataFrame) -> pd.DataFrame:
    """Peak memory in GB (10^9 bytes)."""
    return rows[POINT].assign(value=rows["memory_gb"])


def energy(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Points by quantity, without quantities that no row has.

    `energy` is in J per image, `power` the mean in W while the device is busy, `energy-delay` in J·s: the energy of an
    image times the latency of a call.
    """
    found = {
        "energy": rows["energy_j_per_image"],
        "power": rows["power_w_mean"].where(rows["is_measured"] & (rows["power_w_mean"] > 0)),
        "energy-delay": rows["energy_j_per_image"] * rows["latency_ms_median"] / 1e3,
    }
    return {name: rows[POINT].assign(value=values) for name, values in found.items() if values.notna().any()}


def speedup(rows: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Speed over the baseline's at the same resolution, and `memory_saving`, the fraction of its memory not needed.

    The interval is the widest that the intervals of both latencies allow. Where the baseline was not measured, the
    status says so.
    """
    found = [
        *(name for name in rows.columns if str(name).startswith("latency_ms_")),
        "memory_gb",
        "status",
        "is_measured",
    ]
    against = rows.loc[rows["name"] == baseline, ["resolution_px", *found]]
    both = rows.merge(against, on="resolution_px", how="inner", suffixes=("", "_base"))
    comparable = both["is_measured_base"]
    return both[POINT].assign(
        status=both["status"].where(comparable, "no baseline: " + both["status_base"].map(status_words)),
        value=both["latency_ms_median_base"] / both["latency_ms_median"],
        low=both["latency_ms_ci_low_base"] / both["latency_ms_ci_high"],
        high=both["latency_ms_ci_high_base"] / both["latency_ms_ci_low"],
        memory_saving=1 - both["memory_gb"] / both["memory_gb_base"],
    )


def launch_bound(rows: pd.DataFrame) -> pd.DataFrame:
    """1 - graph / eager of the median latencies, for cells measured both ways: the launch overhead as a share of the
    eager latency. Takes rows of one mode, precision, batch size and device."""
    cell = ["name", "resolution_px"]
    eager = rows[(rows["execution"] == "eager") & rows["is_measured"]]
    graph = rows.loc[(rows["execution"] == "graph") & rows["is_measured"], [*cell, "latency_ms_median"]]
    both = eager.merge(graph, on=cell, suffixes=("", "_graph"))
    return both[POINT].assign(value=1 - both["latency_ms_median_graph"] / both["latency_ms_median"])


def training_parts(rows: pd.DataFrame) -> pd.DataFrame:
    """`name, family, backend, resolution_px, forward, backward, optimizer` in ms, at the largest of the resolutions at
    which the most models have them."""
    columns = {f"{part}_ms_median": part for part in PARTS}
    found = rows.dropna(subset=list(columns))[[*POINT, *columns]].rename(columns=columns)
    if found.empty:
        return found
    counts = found.groupby("resolution_px")["name"].nunique()
    return found[found["resolution_px"] == counts[counts == counts.max()].index.max()]
