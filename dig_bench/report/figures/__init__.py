"""Figures of a report: a module per topic, whose `draw(panel, context)` returns the plots of a panel, maybe none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from dig_bench.render.plot import Plot
from dig_bench.render.style import Look
from dig_bench.report.panels import Panel

RESOLUTION = "resolution (px)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """The document that a panel belongs to."""

    data: pd.DataFrame
    """Prepared rows of all panels."""
    look: Look
    baseline: str | None = None
    """Model@backend or family@backend that the reader asked for."""


Draw = Callable[[Panel, Context], list[Plot]]


def published_beside(published: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the paper's points for the families, sizes and range of resolutions in the rows."""
    resolutions = rows["resolution_px"]
    return published[
        published["family"].isin(rows["family"])
        & published["size"].isin(rows["size"])
        & published["resolution_px"].between(resolutions.min(), resolutions.max())
    ]
