"""Rows made ready for figures: numbers typed, impossible values dropped, processes of one cell merged."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from dig_bench.cell import CELL_COLUMNS, MEASURED, ROW_COLUMNS
from dig_bench.results.names import split

TEXTS = frozenset(
    {"model", "backend", "mode", "precision", "execution", "device", "status", "detail", "device_name", "kernels"}
    | {"throttle_reasons", "started_at", "state", "checked", "timing_throttle_reasons"}
)
NUMBERS = tuple(name for name in ROW_COLUMNS if name not in TEXTS)

# Without a latency, no other value of a cell belongs in a figure.
_MEASUREMENTS = [name for name in NUMBERS if re.search(r"_ms_|_mib$|_per_", name)]

# No time, memory or energy lies beyond these; ratios and logarithms of what lies between are finite.
_TINY, _HUGE = 1e-30, 1e30


def prepare(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns one row per cell, with numbers as floats (impossible ones missing), text as text, and five more columns:
    `name` (model@backend), `family`, `size` (empty for a model's name without one), `memory_gb` (10^9 bytes) and
    `is_measured`.
    """
    data = rows.reindex(columns=list(ROW_COLUMNS)).reset_index(drop=True).astype(object)
    for column in data.columns:
        if column in NUMBERS:
            numbers = pd.to_numeric(data[column], errors="coerce").astype(float)
            lowest = _TINY if column in _MEASUREMENTS else -_HUGE
            data[column] = numbers.where(numbers.between(lowest, _HUGE))
        else:
            data[column] = data[column].where(data[column].notna(), "").astype(str)
    data["batch_size"] = data["batch_size"].fillna(0).astype(int)
    data = data[data["resolution_px"].notna()]
    data["is_measured"] = data["status"].isin(MEASURED) & (data["latency_ms_median"] > 0)
    data.loc[~data["is_measured"], _MEASUREMENTS] = np.nan
    data = _merge_processes(data)
    names = [split(model) for model in data["model"]]
    return data.assign(
        name=data["model"] + "@" + data["backend"],
        family=[family for family, _ in names],
        size=[size for _, size in names],
        memory_gb=data["peak_allocated_mib"] * 2**20 / 1e9,
    )


def _merge_processes(data: pd.DataFrame) -> pd.DataFrame:
    """Returns one row per cell: the process with the median latency, its interval widened to hold those of all.

    A comparison's noise is the spread between processes, not the spread of iterations within one.
    """
    cell = [name for name in CELL_COLUMNS if name != "process"]
    if not data.duplicated(cell).any():
        return data
    merged = []
    for _, processes in data.groupby(cell, sort=False):
        found = processes[processes["is_measured"]].sort_values("latency_ms_median")
        chosen = (found.iloc[(len(found) - 1) // 2] if len(found) else processes.iloc[-1]).copy()
        for low, high in (("latency_ms_ci_low", "latency_ms_ci_high"), ("latency_ms_p05", "latency_ms_p95")):
            if len(found):
                chosen[low], chosen[high] = found[low].min(), found[high].max()
        merged.append(chosen)
    return pd.DataFrame(merged).reset_index(drop=True).infer_objects()
