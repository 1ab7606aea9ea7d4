"""First sentences of the page: how DiG compares, computed from the rows."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from dig_bench.render.numbers import interval, percent
from dig_bench.report import tables
from dig_bench.report.baseline import baseline_of
from dig_bench.report.panels import Panel, panels
from dig_bench.results.scaling import faster_from_px

_OURS = "DiG"
_SLOW = ("reference",)

_PAPER_PX = 1792
"""Resolution of the paper's headline."""


def findings(data: pd.DataFrame, wanted: str | None) -> list[str]:
    """Returns sentences on the first panel that has any: DiG against the baseline, then against the fastest DiT, then
    one sentence for each other model size. Empty without a DiG or anything to compare it with."""
    for panel in panels(data):
        by_size = [list(_of_panel(part, wanted)) for part in panel.by_size()]
        if any(by_size):
            first, *others = filter(None, by_size)
            return first + [sentences[0] for sentences in others]
    return []


def _of_panel(panel: Panel, wanted: str | None) -> Iterator[str]:
    rows = panel.rows
    ours = _fastest(rows[rows["family"] == _OURS])
    baseline = baseline_of(rows, wanted)
    if ours is None or baseline is None or ours == baseline:
        return
    curve = _curve(rows, ours, baseline)
    if len(curve):
        yield _against(curve, ours, baseline, f" ({panel.conditions})")
        yield _crossover(curve, ours, baseline)
    strongest = _fastest(rows[(rows["family"] == "DiT") & (rows["name"] != baseline)])
    if strongest and len(curve := _curve(rows, ours, strongest)):
        yield _against(curve, ours, strongest, "")


def _curve(rows: pd.DataFrame, ours: str, baseline: str) -> pd.DataFrame:
    """Returns the speed-ups of a model by resolution, where both models were measured."""
    ratios = tables.speedup(rows, baseline)
    return ratios[(ratios["name"] == ours) & ratios["value"].notna()].sort_values("resolution_px")


def _against(curve: pd.DataFrame, ours: str, baseline: str, conditions: str) -> str:
    at_paper = curve[curve["resolution_px"] == _PAPER_PX]
    point = (at_paper if len(at_paper) else curve).iloc[-1]
    where = f"At {point['resolution_px']:.0f}\N{NO-BREAK SPACE}px"
    if at_paper.empty:
        where += ", the largest resolution measured for both,"
    ratio = interval(point["value"], point["low"], point["high"])
    sentence = f"{where} {ours} runs at {ratio} times the speed of {baseline}"
    saving = point["memory_saving"]
    if saving == saving:
        sentence += f" and needs {percent(abs(saving))} {'less' if saving >= 0 else 'more'} memory"
    return f"{sentence}{conditions}."


def _crossover(curve: pd.DataFrame, ours: str, baseline: str) -> str:
    start = faster_from_px(list(zip(curve["resolution_px"], curve["value"], strict=True)))
    if math.isinf(start):
        return f"At the largest resolution measured for both, {ours} is not faster than {baseline}."
    if start == curve["resolution_px"].min():
        return f"{ours} is faster than {baseline} at every resolution measured for both."
    return f"{ours} is faster than {baseline} from {start:.0f} px."


def _fastest(rows: pd.DataFrame) -> str | None:
    """Returns the fastest at the largest resolution measured, reference implementations left out."""
    found = rows[rows["is_measured"] & ~rows["backend"].isin(_SLOW)]
    if found.empty:
        return None
    largest = found[found["resolution_px"] == found["resolution_px"].max()]
    return str(largest.loc[largest["latency_ms_median"].idxmin(), "name"])
