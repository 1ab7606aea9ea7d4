"""JSON: all that was found, for programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from dig_bench.cell import Cell
from dig_bench.history.entries import Entry
from dig_bench.history.output import words
from dig_bench.history.trends import Change, Trend, Trends

FORMAT = 1


def render(trends: Trends) -> str:
    """Entries are named by their places in the list of entries. A ratio is of the level after over that before."""
    content = {
        "format": FORMAT,
        "order": trends.order.note,
        "warnings": words.warnings(trends),
        "entries": [_entry(trends, place, entry) for place, entry in enumerate(trends.entries)],
        "changes": [_change(trends, change) for change in trends.changes],
        "trends": [_trend(trend) for trend in trends.trends],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _entry(trends: Trends, place: int, entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "revision": entry.revision,
        "dirty": entry.is_dirty,
        "measured_at": entry.measured_at,
        "environment": trends.environments[place],
    }


def _change(trends: Trends, change: Change) -> dict[str, Any]:
    commits = trends.commits(change)
    return {
        "cell": _cell(change.key),
        "metric": change.metric or "status",
        "at": change.at,
        "before": change.before,
        "after": change.after,
        "cause": change.cause,
        "worse": change.is_worse,
        "ratio": _finite(change.step.ratio) if change.step else None,
        "ratio_low": _finite(change.step.low) if change.step else None,
        "ratio_high": _finite(change.step.high) if change.step else None,
        "statuses": list(change.statuses),
        "differences": [asdict(difference) for difference in change.differences],
        "commits": asdict(commits) if commits else None,
    }


def _trend(trend: Trend) -> dict[str, Any]:
    points = [{"entry": each.entry, "figures": list(each.figures), "status": each.status} for each in trend.points]
    return {"cell": _cell(trend.key), "metric": trend.metric, "points": points}


def _cell(key: Cell) -> dict[str, Any]:
    return {name: value for name, value in key.as_dict().items() if name != "process"}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
