"""From rows to the groups that figures are made of: typed columns, one process per cell, panels of comparable rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from dig_bench.cell import CELL_COLUMNS, MEASURED, PRECISIONS, ROW_COLUMNS
from dig_bench.render.text import slug
from dig_bench.results.names import place, size_rank, split

TEXTS = frozenset(
    {"model", "backend", "mode", "precision", "execution", "device", "status", "detail", "device_name", "kernels"}
    | {"throttle_reasons", "started_at"}
)
NUMBERS = tuple(name for name in ROW_COLUMNS if name not in TEXTS)

POINTS_OF_A_CURVE = 3
"""Fewer resolutions of a model show none."""

# Without a latency, nothing else that was found in a cell belongs in a figure.
_FOUND = [name for name in NUMBERS if re.search(r"_ms_|_mib$|_per_", name)]

# No time, memory or energy lies beyond; ratios and logarithms of what lies between are finite.
_TINY, _HUGE = 1e-30, 1e30


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Rows that may stand in one figure: everything but model, backend and resolution is equal."""

    mode: str
    precision: str
    execution: str
    batch_size: int
    device: str

    @property
    def label(self) -> str:
        execution = "CUDA graph" if self.execution == "graph" else f"{self.execution} on {self.device}"
        return f"{self.mode}, {self.precision}, {execution}, batch {self.batch_size}"

    @property
    def slug(self) -> str:
        """For file names and elements' ids."""
        return slug(f"{self.mode}-{self.precision}-{self.execution}-b{self.batch_size}-{self.device}")


def prepare(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with numbers as floats (impossible ones as missing), text as text, processes merged, and five more columns:
    `name` (model@backend), `family`, `size` (empty where a model's name has none), `memory_gb` (10^9 bytes) and
    `is_measured`.
    """
    data = rows.reindex(columns=list(ROW_COLUMNS)).reset_index(drop=True).astype(object)
    for column in data.columns:
        if column in NUMBERS:
            numbers = pd.to_numeric(data[column], errors="coerce").astype(float)
            lowest = _TINY if column in _FOUND else -_HUGE
            data[column] = numbers.where(numbers.between(lowest, _HUGE))
        else:
            data[column] = data[column].where(data[column].notna(), "").astype(str)
    data["batch_size"] = data["batch_size"].fillna(0).astype(int)
    data = data[data["resolution_px"].notna()]
    data["is_measured"] = data["status"].isin(MEASURED) & (data["latency_ms_median"] > 0)
    data.loc[~data["is_measured"], _FOUND] = np.nan
    data = _merge_processes(data)
    names = [split(model) for model in data["model"]]
    return data.assign(
        name=data["model"] + "@" + data["backend"],
        family=[family for family, _ in names],
        size=[size for _, size in names],
        memory_gb=data["peak_allocated_mib"] * 2**20 / 1e9,
    )


def panels(data: pd.DataFrame) -> Iterator[tuple[Panel, pd.DataFrame]]:
    """Panels with their rows, the one to look at first in front: the most families, then one with curves over
    resolution, then training (what the paper's memory figure shows), then the most models, then the execution with the
    least of the host in it."""

    def rank(item: tuple[Panel, pd.DataFrame]) -> tuple[int | str, ...]:
        panel, rows = item
        found = rows[rows["is_measured"]]
        return (
            -found["family"].nunique(),
            not (found.groupby("name")["resolution_px"].nunique() >= POINTS_OF_A_CURVE).any(),
            place(panel.mode, ("train", "forward")),
            -found["name"].nunique(),
            place(panel.execution, ("graph", "compile", "eager")),
            place(panel.precision, PRECISIONS),
            panel.label,
        )

    keys = [field.name for field in fields(Panel)]
    groups = []
    for _, rows in data.groupby(keys):
        panel = Panel(**{str(key): value for key, value in rows[keys].iloc[0].items()})
        groups.append((panel, rows))
    yield from sorted(groups, key=rank)


def of_one_size(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The panel's rows by model size, for curves over resolution: the sizes swept over at least three resolutions, else
    the smallest and the largest; S/2, the paper's, first. Models without a size join every one."""
    resolutions = rows[rows["size"] != ""].groupby("size")["resolution_px"].nunique()
    sizes = sorted(resolutions.index, key=size_rank)
    chosen = [size for size in sizes if resolutions[size] >= POINTS_OF_A_CURVE] or list(
        dict.fromkeys([*sizes[:1], *sizes[-1:]])
    )
    for size in sorted(chosen or [""], key=lambda size: size != "S/2"):
        yield size, rows[rows["size"].isin([size, ""])]


def _merge_processes(data: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: the process with the median latency, its interval widened to hold those of all processes.

    The spread between processes, not the spread of iterations in one, is the noise of a comparison.
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
