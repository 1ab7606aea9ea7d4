"""Points of the figures, selected from prepared rows.

Unless a function says otherwise, it returns points: `name, family, backend, size, resolution_px, status, value` and,
where they exist, the confidence interval `low, high` and the range of single iterations `p05, p95`. `value` is missing
where nothing was measured; the status says why.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dig_bench.render.labels import power_limit, processes
from dig_bench.render.numbers import status_words
from dig_bench.report.ratios import speed_ratio

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

    Where the baseline was not measured, the status says so. `note` names the processes of both sides where they differ
    between cells, and the side that alone ran at the power limit.
    """
    bases = {row["resolution_px"]: row for _, row in rows[rows["name"] == baseline].iterrows()}
    is_alike = rows.loc[rows["is_measured"], "num_processes"].nunique() <= 1
    found = []
    for _, row in rows[rows["resolution_px"].isin(list(bases))].iterrows():
        base = bases[row["resolution_px"]]
        point = {**row[POINT], "value": np.nan, "low": np.nan, "high": np.nan, "memory_saving": np.nan, "note": ""}
        if not base["is_measured"]:
            point["status"] = f"no baseline: {status_words(base['status'])}"
        elif row["is_measured"]:
            ratio = speed_ratio(row, base)
            point |= {"value": ratio.value, "low": ratio.low, "high": ratio.high}
            alone = "baseline" if base["is_capped"] else "this model"
            power = f"{alone} alone at the power limit" if ratio.power else ""
            point["note"] = "; ".join(filter(None, ("" if is_alike else ratio.evidence, power)))
        point["memory_saving"] = 1 - row["memory_gb"] / base["memory_gb"]
        found.append(point)
    return pd.DataFrame(found, columns=[*POINT, "value", "low", "high", "memory_saving", "note"])


def launch_bound(rows: pd.DataFrame) -> pd.DataFrame:
    """1 - graph / eager of the median latencies, for cells measured both ways: the launch overhead as a share of the
    eager latency. Takes rows of one mode, precision, batch size and device."""
    cell = ["name", "resolution_px", "state"]
    eager = rows[(rows["execution"] == "eager") & rows["is_measured"]]
    graph = rows[(rows["execution"] == "graph") & rows["is_measured"]]
    both = eager.merge(
        graph[[*cell, "latency_ms_median", "is_capped", "num_processes"]], on=cell, suffixes=("", "_graph")
    )
    notes = [
        "; ".join(
            filter(
                None,
                (
                    "" if eager_count == graph_count else processes(int(eager_count), int(graph_count)),
                    power_limit("eager", "graph", is_ours_capped=is_eager_capped, is_theirs_capped=is_graph_capped),
                ),
            )
        )
        for eager_count, graph_count, is_eager_capped, is_graph_capped in zip(
            both["num_processes"], both["num_processes_graph"], both["is_capped"], both["is_capped_graph"], strict=True
        )
    ]
    return both[POINT].assign(value=1 - both["latency_ms_median_graph"] / both["latency_ms_median"], note=notes)


def training_parts(rows: pd.DataFrame) -> pd.DataFrame:
    """`name, family, backend, resolution_px, forward, backward, optimizer` in ms, at the largest of the resolutions at
    which the most models have them."""
    columns = {f"{part}_ms_median": part for part in PARTS}
    found = rows.dropna(subset=list(columns))[[*POINT, *columns]].rename(columns=columns)
    if found.empty:
        return found
    counts = found.groupby("resolution_px")["name"].nunique()
    return found[found["resolution_px"] == counts[counts == counts.max()].index.max()]
