"""Facts at the top of the page: counts, device and date, and warnings about the measurement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from dig_bench.cell import MEASURED
from dig_bench.compare.decision import MIN_PROCESSES
from dig_bench.render.numbers import percent, status_words
from dig_bench.render.text import count


def tiles(rows: pd.DataFrame, data: pd.DataFrame, manifest: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yields label and value. `rows` are as read, `data` as prepared."""
    counts = rows["status"].value_counts()
    yield "cells measured", f"{int(rows['status'].isin(MEASURED).sum())} of {len(rows)}"
    for status in ("oom", "noisy", "throttled"):
        if status in counts:
            yield status_words(status), str(counts[status])
    failed = counts.drop(list(MEASURED | {"oom", "unsupported"}), errors="ignore").sum()
    yield "failed", str(failed)
    processes = data.loc[data["is_measured"], "num_processes"]
    if len(processes):
        fewest, most = int(processes.min()), int(processes.max())
        yield "processes per cell", str(most) if fewest == most else f"{fewest} to {most}"
    states = sorted(filter(None, rows["state"].unique()))
    if states:
        yield "state of the device", " and ".join(states)
    devices = sorted(filter(None, rows["device_name"].astype(str).unique()))
    if devices:
        yield "device", ", ".join(devices)
    times = sorted(filter(None, rows["started_at"].fillna("").astype(str)))
    if times:
        first, last = times[0][:10], times[-1][:10]
        yield "measured on", first if first == last else f"{first} to {last}"
    if manifest and manifest["environment"].get("torch"):
        yield "PyTorch", str(manifest["environment"]["torch"])


def warnings(rows: pd.DataFrame, data: pd.DataFrame, manifest: Mapping[str, Any] | None) -> Iterator[str]:
    """Yields sentences that a reader has to know before trusting a number."""
    if not len(rows):
        yield "This folder holds no rows."
    elif not rows["status"].isin(MEASURED).any():
        yield "No cell was measured, so there are no figures. The table of rows shows why."
    yield from _evidence(data)
    if manifest is None:
        yield "There is no manifest.json: machine, versions and protocol are unknown."
        return
    states = [manifest["environment"], *manifest.get("resumed", [])]
    dirty = [state for state in states if state.get("git_dirty")]
    if dirty:
        has_trees = all(state.get("git_trees") for state in dirty)
        yield (
            "Measured with uncommitted changes: the revision below does not identify the code that ran. "
            f"Treat these numbers as a draft{', unless a commit has the folders of git_trees' if has_trees else ''}."
        )
    if len({state.get("git_revision") for state in states}) > 1:
        yield "The sweep started on one revision of the code and was resumed on another."
    if not manifest["finished_at"]:
        yield "The sweep has not finished: rows are missing."
    for status, meaning in (
        ("noisy", "their median is less certain than the protocol asks for"),
        ("throttled", "the device lowered its clocks while they were measured"),
    ):
        share = float((rows["status"] == status).mean()) if len(rows) else 0.0
        if share > 0.1:
            yield f"{percent(share)} of the rows are {status}: {meaning}."


def _evidence(data: pd.DataFrame) -> Iterator[str]:
    """Yields what the rows cannot carry: too few processes, rows of other code, intervals of earlier versions."""
    measured = data[data["is_measured"]]
    few = int((measured["num_processes"] < MIN_PROCESSES).sum())
    if few:
        yield (
            f"{count(few, 'cell')} of {len(measured)} {'was' if few == 1 else 'were'} measured in fewer than "
            f"{MIN_PROCESSES} processes. An interval of one process says nothing about the next process, which can "
            "differ by more; comparisons of such cells are labelled."
        )
    left_out = int(data["num_left_out"].sum())
    if left_out:
        yield (
            f"{count(left_out, 'measured row')} of cells with several are not in the figures: they ran other code or "
            "other kernels than the newest row of their cell, or the code is unknown. They are in the table of rows."
        )
    if len(measured) and (measured["state"] == "").any():
        yield (
            "Rows without a state were measured by an earlier version. Their intervals treat consecutive timings as "
            "independent and are too narrow: differences that an interval barely carries are not certain."
        )
    if measured["state"].nunique() > 1:
        yield "Rows of different states, burst and sustained, are never compared: they are in different figures."
