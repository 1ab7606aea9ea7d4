"""JSON: entries, trends and changes, for programs."""

from __future__ import annotations

from typing import Any

from dig_bench.cell import Key
from dig_bench.files.json_codec import dumps
from dig_bench.history.changes import Change
from dig_bench.history.entries import Entry
from dig_bench.history.output import words
from dig_bench.history.trends import Trend, Trends

FORMAT = 2


def render(trends: Trends) -> str:
    """JSON text. Numbers of entries are indices of `entries`. A ratio is the level after over the level before."""
    return dumps(
        {
            "format": FORMAT,
            "order": trends.order.note,
            "warnings": words.warnings(trends),
            "entries": [_entry(trends, place, entry) for place, entry in enumerate(trends.entries)],
            "changes": [_change(trends, change) for change in trends.changes],
            "trends": [_trend(trend) for trend in trends.trends],
        }
    )


def _entry(trends: Trends, place: int, entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "revision": entry.revision,
        "dirty": entry.is_dirty,
        "measured_at": entry.measured_at,
        "environment": trends.environments.numbers[place],
    }


def _change(trends: Trends, change: Change) -> dict[str, Any]:
    point = change.point
    return {
        "cell": _cell(change.key),
        "metric": change.metric or "status",
        "at": change.at,
        "before": change.before,
        "after": change.after,
        "cause": change.cause,
        "worse": change.is_worse,
        "ratio": point.ratio if point else None,
        "ratio_low": point.low if point else None,
        "ratio_high": point.high if point else None,
        "statuses": change.statuses,
        "differences": change.differences,
        "commits": trends.commits(change),
    }


def _trend(trend: Trend) -> dict[str, Any]:
    return {"cell": _cell(trend.key), "metric": trend.metric, "points": trend.points}


def _cell(key: Key) -> dict[str, Any]:
    return {name: value for name, value in key.as_dict().items() if name != "process"}
