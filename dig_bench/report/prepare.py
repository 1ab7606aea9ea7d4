"""Rows made ready for figures: numbers typed, impossible values dropped, processes of one cell merged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_type_hints

import numpy as np
import pandas as pd

from dig_bench.cell import CELL_COLUMNS, MEASURED, ROW_COLUMNS, Row
from dig_bench.results.names import split
from dig_bench.results.same_code import Origin, code_of, newest_alike

_HINTS = get_type_hints(Row)
NUMBERS = tuple(name for name in ROW_COLUMNS if _HINTS[name] in (int, int | None, float | None))

# Without a latency, no other value of a cell belongs in a figure.
_MEASUREMENTS = [name for name in NUMBERS if re.search(r"_ms_|_mib$|_per_", name)]

# No time, memory or energy lies beyond these; ratios and logarithms of what lies between are finite.
_TINY, _HUGE = 1e-30, 1e30


POWER_CAP = "sw_power_cap"
"""Throttle reason of a GPU that runs at its power limit."""


def prepare(rows: pd.DataFrame, manifest: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Returns one row per cell, with numbers as floats (impossible ones missing) and text as text.

    `manifest` is that of the rows' folder. Further columns: `name` (model@backend), `family`, `size` (empty for a
    model's name without one), `memory_gb` (10^9 bytes), `is_measured`, `is_capped` (ran at the power limit),
    `num_processes` that were merged, their `latencies_ms` as a tuple, and `num_left_out`, measured rows of the cell by
    other or unknown code.
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
    reasons = data["timing_throttle_reasons"] + " " + data["throttle_reasons"]
    data["is_capped"] = [POWER_CAP in text.split() for text in reasons]
    data = _merge_processes(data, manifest)
    names = [split(model) for model in data["model"]]
    return data.assign(
        name=data["model"] + "@" + data["backend"],
        family=[family for family, _ in names],
        size=[size for _, size in names],
        memory_gb=data["peak_allocated_mib"] * 2**20 / 1e9,
    )


def _merge_processes(data: pd.DataFrame, manifest: Mapping[str, Any] | None) -> pd.DataFrame:
    """Returns one row per cell and state: the process with the median latency, its interval widened to hold those of
    all.

    A comparison's noise is the spread between processes, not the spread of iterations within one. A row of a cell that
    was not measured in a state is left out if another one was.
    """
    cell = [name for name in CELL_COLUMNS if name != "process"]
    is_single = ~data.duplicated(cell, keep=False)
    singles = data[is_single]
    latencies: list[Any] = [
        (ms,) if is_measured else ()
        for ms, is_measured in zip(singles["latency_ms_median"], singles["is_measured"], strict=True)
    ]
    counts = singles["is_measured"].astype(int)
    merged = [singles.assign(num_processes=counts, num_left_out=0, latencies_ms=latencies)]
    for _, processes in data[~is_single].groupby(cell, sort=False):
        measured = processes[processes["is_measured"]]
        if measured.empty:
            merged.append(_merged(processes.iloc[-1], measured, num_left_out=0))
        for _, rows in measured.groupby("state", sort=False):
            found = _alike(rows, manifest).sort_values("latency_ms_median")
            merged.append(_merged(found.iloc[(len(found) - 1) // 2], found, num_left_out=len(rows) - len(found)))
    whole = [part for part in merged if len(part)] or merged[:1]
    return pd.concat(whole).sort_index(kind="stable").reset_index(drop=True).infer_objects()


def _merged(chosen: pd.Series, found: pd.DataFrame, *, num_left_out: int) -> pd.DataFrame:
    """Returns the row that stands for the processes `found`; a cell without any has its row as it is."""
    chosen = chosen.copy()
    if len(found):
        for low, high in (("latency_ms_ci_low", "latency_ms_ci_high"), ("latency_ms_p05", "latency_ms_p95")):
            chosen[low], chosen[high] = found[low].min(skipna=False), found[high].max(skipna=False)
        chosen["is_capped"] = bool(found["is_capped"].any())
    chosen["num_processes"], chosen["num_left_out"] = len(found), num_left_out
    chosen["latencies_ms"] = tuple(found["latency_ms_median"])
    return chosen.to_frame().T


def _alike(rows: pd.DataFrame, manifest: Mapping[str, Any] | None) -> pd.DataFrame:
    """Returns the measured rows of a cell that count as its processes.

    Throttled ones count where there is no other: their latencies are too slow.
    """
    origins = [
        Origin(
            code=code_of(manifest, row["started_at"]),
            kernels=row["kernels"],
            state=row["state"],
            started_at=row["started_at"],
        )
        for _, row in rows.iterrows()
    ]
    alike = rows[newest_alike(origins)]
    healthy = alike[alike["status"] != "throttled"]
    return healthy if len(healthy) else alike
