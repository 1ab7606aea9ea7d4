"""The task of a profile's worker process: takes one profile and writes it with its exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dig_bench.cell import Cell
from dig_bench.machine import roofline
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
    taken = take(of, Protocol(**protocol), roofline.load_or_measure(of.device, say=say), say)
    paths = [folder.write(Path(out), taken.profile)]
    if trace:
        paths.append(exports.write_trace(taken.profiler, folder.path_of(Path(out), of, ".trace.json.gz")))
    if snapshot and taken.snapshot is not None:
        paths.append(exports.write_snapshot(taken.snapshot, folder.path_of(Path(out), of, ".snapshot.pickle")))
    return list(map(str, paths))


def run_under_nvtx(
    say: Say, *, cell: Mapping[str, Any], protocol: Mapping[str, Any], plugins: Sequence[str]
) -> list[str]:
    """Runs the cell's step under NVTX ranges, for Nsight Systems. Writes nothing."""
    plugin_files.load(plugins)
    exports.run_under_nvtx(Cell(**cell), Protocol(**protocol), say)
    return []
