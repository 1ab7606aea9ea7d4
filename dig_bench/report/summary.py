"""The page's first lines: what was measured and what came out, in words computed from the rows."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from dig_bench.render.numbers import interval, percent
from dig_bench.report import tables
from dig_bench.report.series import Panel, of_one_size, panels

_OURS = "DiG"
_SLOW = ("reference",)


def findings(data: pd.DataFrame, wanted: str | None) -> list[str]:
    """Sentences on the panel to look at first: DiG against the baseline, then against the fastest DiT, and in short for
    the other model sizes. None at all without a DiG, or with nothing to set it against."""
    for panel, rows in panels(data):
        by_size = [list(_of_panel(panel, of_size, wanted)) for _, of_size in of_one_size(rows)]
        if any(by_size):
            first, *others = filter(None, by_size)
            return first + [sentences[0] for sentences in others]
    return []


def _of_panel(panel: Panel, rows: pd.DataFrame, wanted: str | None) -> Iterator[str]:
    ours = _fastest(rows[rows["family"] == _OURS])
    baseline = tables.baseline_of(rows, wanted)
    if ours is None or baseline is None or ours == baseline:
        return
    yield from _against(rows, ours, baseline, panel)
    strongest = _fastest(rows[(rows["family"] == "DiT") & (rows["name"] != baseline)])
    if strongest:
        yield from _against(rows, ours, strongest, None)


def _against(rows: pd.DataFrame, ours: str, baseline: str, panel: Panel | None) -> Iterator[str]:
    ratios = tables.speedup(rows, baseline)
    curve = ratios[(ratios["name"] == ours) & ratios["value"].notna()].sort_values("resolution_px")
    if curve.empty:
        return
    # 1792 px is where the paper states its headline; the largest common resolution says most otherwise.
    at_paper = curve[curve["resolution_px"] == 1792]
    point = (at_paper if len(at_paper) else curve).iloc[-1]
    where = f"At {point['resolution_px']:.0f}\N{NO-BREAK SPACE}px"
    if at_paper.empty:
        where += ", the largest resolution that both were measured at,"
    ratio = interval(point["value"], point["low"], point["high"])
    sentence = f"{where} {ours} runs at {ratio} times the speed of {baseline}"
    saving = point["memory_saving"]
    if saving == saving:
        sentence += f" and needs {percent(abs(saving))} {'less' if saving >= 0 else 'more'} memory"
    if panel:
        sentence += f" ({panel.label})"
    yield sentence + "."
    if panel:
        yield _crossover(ratios, ours, baseline)


def _crossover(ratios: pd.DataFrame, ours: str, baseline: str) -> str:
    start = tables.crossover_px(ratios, ours)
    if start is None:
        return f"At the largest resolution that both were measured at, {ours} is not faster than {baseline}."
    smallest = ratios.loc[ratios["value"].notna(), "resolution_px"].min()
    if start == smallest:
        return f"{ours} is faster than {baseline} at every resolution measured."
    return f"{ours} is the faster of the two from {start:.0f} px on."


def _fastest(rows: pd.DataFrame) -> str | None:
    """At the largest resolution measured; a reference implementation is nobody's fastest."""
    found = rows[rows["is_measured"] & ~rows["backend"].isin(_SLOW)]
    if found.empty:
        return None
    largest = found[found["resolution_px"] == found["resolution_px"].max()]
    return str(largest.loc[largest["latency_ms_median"].idxmin(), "name"])
