"""The HTML page of a report: the values that its template shows. The template escapes all texts."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dig_bench.cell import Key
from dig_bench.render.numbers import MISSING, significant
from dig_bench.render.page import fill
from dig_bench.report import notes, published_code, summary
from dig_bench.report.panels import Panel
from dig_bench.report.prepare import NUMBERS
from dig_bench.report.sections import Section

_WHOLE_NUMBERS = frozenset({"resolution_px", "num_tokens", "parameters", "batch_size", "process"})

STATUSES = (
    ("ok", "Measured, as precisely as the protocol asks for."),
    ("noisy", "Measured, but the interval of the median is wider than the protocol asks for. Hollow markers."),
    (
        "throttled",
        "Measured while the device lowered its clocks because of heat or power: the value is too slow. Hollow markers.",
    ),
    (
        "oom",
        "Out of memory: a cross in the figures. Larger resolutions of the same model are skipped; their rows say so.",
    ),
    ("mismatch", "The result disagrees with the reference. A wrong result has no latency."),
    ("timeout", "The cell took longer than allowed. Other cells are not affected."),
    ("crashed", "The worker process died. Other cells are not affected."),
    ("unsupported", "The backend is not available here, or not for this precision or mode."),
)
"""Status of a row -> its meaning."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value in the table of rows: as shown, and in full for the tooltip and for sorting."""

    text: str
    full: str
    is_number: bool


def render(
    name: str,
    *,
    rows: pd.DataFrame,
    data: pd.DataFrame,
    manifest: Mapping[str, Any] | None,
    sections: Sequence[Section],
    published: Sequence[tuple[str, ...]] = (),
) -> str:
    """Returns the page. `rows` are as read, `data` as prepared, `published` as from `beside_published_code`."""
    environment = dict(manifest["environment"]) if manifest else {}
    shown = [column for column in rows if not rows[column].isna().all() and (rows[column].astype(str) != "").any()]
    return fill(
        "report.html.j2",
        package="dig_bench.report",
        name=name,
        tiles=list(notes.tiles(rows, data, manifest)),
        findings=summary.findings(data),
        warnings=list(notes.warnings(rows, data, manifest)),
        sections=sections,
        published=published,
        evidence=Panel(key=Key(), rows=data).evidence,
        published_columns=published_code.COLUMNS,
        status_meanings=STATUSES,
        environment={key: _plain(value) for key, value in environment.items() if value not in (None, "")},
        spec={key: _plain(value) for key, value in dict(manifest["spec"]).items()} if manifest else {},
        columns=shown,
        numbers=NUMBERS,
        records=[{column: _value(column, row[column]) for column in shown} for row in rows.to_dict("records")],
        statuses=sorted(rows["status"].astype(str).unique()),
        models=sorted(rows["model"].astype(str).unique()),
        is_cpu=bool((rows["device"] == "cpu").any()),
    )


def _value(column: Hashable, value: Any) -> Value:
    if value is None or value is pd.NA or value != value or value == "":
        return Value(text=MISSING, full="", is_number=column in NUMBERS)
    if column not in NUMBERS:
        return Value(text=str(value), full=str(value), is_number=False)
    text = str(value) if column in _WHOLE_NUMBERS or isinstance(value, int) else significant(float(value), 4)
    return Value(text=text, full=repr(value), is_number=True)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or MISSING
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | bool) or value is None else str(value)
