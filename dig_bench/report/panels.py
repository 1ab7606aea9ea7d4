"""Panels: rows that may share a figure. Everything but model, backend and resolution is equal, the state included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from dig_bench.cell import CELL_COLUMNS, PRECISIONS, Key
from dig_bench.render.labels import number_of_processes, one_device
from dig_bench.render.text import plain, slug
from dig_bench.results.names import place, size_rank

MIN_POINTS = 3
"""Resolutions of a curve. Fewer show no shape."""

BURST = "burst"
"""State of rows whose device rested before each sample. The other state, sustained, needs no word in a label."""

_VARYING = ("model", "backend", "resolution_px", "process")
_CONDITIONS = [name for name in CELL_COLUMNS if name not in _VARYING]


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Prepared rows of one figure."""

    key: Key
    """Conditions that the rows share."""
    rows: pd.DataFrame
    size: str = ""
    """Model size of all rows that have one, where the panel holds a single size."""
    state: str = ""
    """State of the measured rows; empty in tables of earlier versions."""

    @property
    def label(self) -> str:
        """`S/2 · train · bf16 · CUDA graph · batch 1 · H200 · one process`."""
        # A long name of a device must not cut the evidence off.
        conditions = plain(" · ".join(filter(None, (self.size, self.conditions))), 120)
        return " · ".join(filter(None, (conditions, self.evidence)))

    @property
    def evidence(self) -> str:
        """Processes that measured each cell: `one process`, `1 to 3 processes`; empty without a measured row."""
        counts = self.rows.loc[self.rows["is_measured"], "num_processes"]
        if counts.empty:
            return ""
        fewest, most = int(counts.min()), int(counts.max())
        return number_of_processes(most) if fewest == most else f"{fewest} to {most} processes"

    @property
    def conditions(self) -> str:
        """Label without the size and the evidence. Names the state if it is burst."""
        label = self.key.label(device_name=one_device(filter(None, self.rows["device_name"])))
        return f"{label} · burst" if self.state == BURST else label

    @property
    def slug(self) -> str:
        """Part of file names and of elements' ids: `train-bf16-graph-b1-cuda-s-2`."""
        key = self.key
        conditions = slug(f"{key.mode}-{key.precision}-{key.execution}-b{key.batch_size}-{key.device}")
        return "-".join(filter(None, (conditions, self.state if self.state == BURST else "", slug(self.size))))

    def by_size(self) -> Iterator[Panel]:
        """Yields a panel per model size, for curves over resolution: the sizes at MIN_POINTS or more resolutions, else
        the smallest and the largest. S/2, the paper's, comes first. Models without a size join every panel."""
        resolutions = self.rows[self.rows["size"] != ""].groupby("size")["resolution_px"].nunique()
        sizes = sorted(resolutions.index, key=size_rank)
        chosen = [size for size in sizes if resolutions[size] >= MIN_POINTS] or list(
            dict.fromkeys([*sizes[:1], *sizes[-1:]])
        )
        for size in sorted(chosen or [""], key=lambda size: size != "S/2"):
            yield replace(self, rows=self.rows[self.rows["size"].isin([size, ""])], size=size)


def panels(data: pd.DataFrame) -> list[Panel]:
    """Returns the panels of prepared rows, the most telling first. Rows of different states are in different panels.

    Ranks by: most families; curves over resolution; training, as in the paper's memory figure; most models; the
    execution with the least launch overhead.
    """
    found = []
    for _, rows in data.groupby(_CONDITIONS):
        fields: dict[str, Any] = {str(name): value for name, value in rows[_CONDITIONS].iloc[0].items()}
        # A row without a measurement has no state: it belongs to the curves of all.
        for state in rows.loc[rows["is_measured"], "state"].unique() if rows["is_measured"].any() else [""]:
            alike = (rows["state"] == state) | ~rows["is_measured"]
            found.append(Panel(key=Key(**fields), rows=rows[alike], state=state))
    return sorted(found, key=_rank)


def _rank(panel: Panel) -> tuple[int | str, ...]:
    found = panel.rows[panel.rows["is_measured"]]
    return (
        -found["family"].nunique(),
        not (found.groupby("name")["resolution_px"].nunique() >= MIN_POINTS).any(),
        place(panel.key.mode, ("train", "forward")),
        -found["name"].nunique(),
        place(panel.key.execution, ("graph", "compile-graph", "compile", "eager")),
        place(panel.key.precision, PRECISIONS),
        panel.slug,
    )
