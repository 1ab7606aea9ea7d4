"""The HTML page: what the template shows, gathered. Whatever comes from a file is escaped by the template."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from dig_bench.cell import MEASURED
from dig_bench.render.numbers import MISSING, percent, significant, status_words
from dig_bench.render.page import fill
from dig_bench.report import published_code, summary
from dig_bench.report.sections import Section
from dig_bench.report.series import NUMBERS

_WHOLE_NUMBERS = frozenset({"resolution_px", "num_tokens", "parameters", "batch_size", "process"})
_KINDS = {"ok": "good", "noisy": "warn", "throttled": "warn"}


@dataclass(frozen=True, kw_only=True)
class Value:
    """A cell of the table of rows: as shown, and in full for the tooltip and for sorting."""

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
    baseline: str | None,
    published: Sequence[tuple[str, ...]] = (),
) -> str:
    """The page. rows as they were read, data as prepared, published as `beside_published_code` finds it."""
    environment = dict(manifest["environment"]) if manifest else {}
    shown = [column for column in rows if not rows[column].isna().all() and (rows[column].astype(str) != "").any()]
    return fill(
        "report.html.j2",
        name=name,
        tiles=list(_tiles(rows, manifest)),
        findings=summary.findings(data, baseline),
        warnings=list(_warnings(rows, manifest)),
        sections=[
            (section, [[(plot, Markup(plot.markup())) for plot in plots] for plots in section.groups])
            for section in sections
        ],
        published=published,
        published_columns=published_code.COLUMNS,
        environment={key: _plain(value) for key, value in environment.items() if value not in (None, "")},
        spec={key: _plain(value) for key, value in dict(manifest["spec"]).items()} if manifest else {},
        columns=shown,
        numbers=NUMBERS,
        records=[
            (_kind(row["status"]), [_value(column, row[column]) for column in shown]) for row in rows.to_dict("records")
        ],
        statuses=sorted(rows["status"].astype(str).unique()),
        models=sorted(rows["model"].astype(str).unique()),
        is_cpu=bool((rows["device"] == "cpu").any()),
    )


def _tiles(rows: pd.DataFrame, manifest: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Label and figure."""
    counts = rows["status"].value_counts()
    yield "cells measured", f"{int(rows['status'].isin(MEASURED).sum())} of {len(rows)}"
    for status in ("oom", "noisy", "throttled"):
        if status in counts:
            yield status_words(status), str(counts[status])
    failed = counts.drop(list(MEASURED | {"oom", "unsupported"}), errors="ignore").sum()
    yield "failed", str(failed)
    devices = sorted(filter(None, rows["device_name"].astype(str).unique()))
    if devices:
        yield "device", ", ".join(devices)
    times = sorted(filter(None, rows["started_at"].fillna("").astype(str)))
    if times:
        first, last = times[0][:10], times[-1][:10]
        yield "measured on", first if first == last else f"{first} to {last}"
    if manifest and manifest["environment"].get("torch"):
        yield "PyTorch", str(manifest["environment"]["torch"])


def _warnings(rows: pd.DataFrame, manifest: Mapping[str, Any] | None) -> Iterator[str]:
    """What a reader has to know before believing a figure."""
    if not len(rows):
        yield "This folder holds no rows."
    elif not rows["status"].isin(MEASURED).any():
        yield "No cell was measured: there are no figures to draw. The table of rows says why."
    if manifest is None:
        yield "There is no manifest.json: machine, versions and protocol are unknown."
        return
    states = [manifest["environment"], *manifest.get("resumed", [])]
    dirty = [state for state in states if state.get("git_dirty")]
    if dirty:
        has_trees = all(state.get("git_trees") for state in dirty)
        yield (
            "Measured with uncommitted changes in the source: the revision below does not say what ran. "
            f"Take these figures as a draft{', unless a commit has the folders of git_trees' if has_trees else ''}."
        )
    if len({state.get("git_revision") for state in states}) > 1:
        yield "The sweep was resumed with another revision of the source than it was begun with."
    if not manifest["finished_at"]:
        yield "The sweep has not finished: rows are missing."
    for status, meaning in (
        ("noisy", "their median is less certain than the protocol asks for"),
        ("throttled", "the device slowed itself down while they were measured"),
    ):
        share = float((rows["status"] == status).mean()) if len(rows) else 0.0
        if share > 0.1:
            yield f"{percent(share)} of the rows are {status}: {meaning}."


def _value(column: Hashable, value: Any) -> Value:
    if value is None or value is pd.NA or value != value or value == "":
        return Value(text=MISSING, full="", is_number=column in NUMBERS)
    if column not in NUMBERS:
        return Value(text=str(value), full=str(value), is_number=False)
    text = str(value) if column in _WHOLE_NUMBERS or isinstance(value, int) else significant(float(value), 4)
    return Value(text=text, full=repr(value), is_number=True)


def _kind(status: Any) -> str:
    return _KINDS.get(str(status), "bad")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or MISSING
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | bool) or value is None else str(value)
