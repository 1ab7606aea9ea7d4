"""The task of a profile's worker process: takes one profile and writes it with its exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dig_bench.cell import Cell
from dig_bench.machine import roofline
from dig_bench.machine.roofline import BusyError
from dig_bench.measure.roofline import Roofline
from dig_bench.plan import plugins as plugin_files
from dig_bench.profile import exports, folder
from dig_bench.profile.take import take
from dig_bench.protocol import Protocol
from dig_bench.run.task import Say


def take_and_write(
    say: Say,
    *,
    cell: Mapping[str, Any],
    protocol: Mapping[str, Any],
    plugins: Sequence[str],
    out: str,
    trace: bool = False,
    snapshot: bool = False,
) -> list[str]:
    """Writes the cell's profile to the folder `out`, and on request a Chrome trace and a memory snapshot.

    Returns the paths that it wrote.
    """
    plugin_files.load(plugins)
    of = Cell(**cell)
    known, note = _roofline(of.device, say)
    taken = take(of, Protocol(**protocol), known, say)
    paths = [folder.write(Path(out), replace(taken.profile, notes=[*taken.profile.notes, *note]))]
    if trace:
        paths.append(exports.write_trace(taken.profiler, folder.path_of(Path(out), of, ".trace.json.gz")))
    if snapshot and taken.snapshot is not None:
        paths.append(exports.write_snapshot(taken.snapshot, folder.path_of(Path(out), of, ".snapshot.pickle")))
    return list(map(str, paths))


def _roofline(device: str, say: Say) -> tuple[Roofline | None, list[str]]:
    """Returns the roofline, or None and the reason: a busy CPU is profiled without bounds."""
    try:
        return roofline.load_or_measure(device, say=say), []
    except BusyError as error:
        return None, [f"no bounds: {error}"]


def run_under_nvtx(
    say: Say, *, cell: Mapping[str, Any], protocol: Mapping[str, Any], plugins: Sequence[str]
) -> list[str]:
    """Runs the cell's step under NVTX ranges, for Nsight Systems. Writes nothing."""
    plugin_files.load(plugins)
    exports.run_under_nvtx(Cell(**cell), Protocol(**protocol), say)
    return []
