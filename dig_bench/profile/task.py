"""What a profile's own process does: take it, and write it with its exports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dig_bench.cell import Cell
from dig_bench.profile.apart import Say
from dig_bench.protocol import Protocol


@dataclass(frozen=True, kw_only=True)
class Task:
    """Of one cell; called with what shows its progress. Returns the paths that it has written."""

    cell: Cell
    protocol: Protocol
    plugins: Sequence[str]
    folder: Path
    trace: bool = False
    """Export a Chrome trace."""
    snapshot: bool = False
    """Export the memory snapshot."""
    nvtx: bool = False
    """Only run under NVTX ranges, for Nsight Systems; nothing is written."""

    def __call__(self, say: Say) -> list[Path]:
        # In the process that it is for: the parent needs no torch.
        from dig_bench.machine import roofline
        from dig_bench.plan import plugins
        from dig_bench.profile import exports, folder
        from dig_bench.profile.take import take

        plugins.load(self.plugins)
        if self.nvtx:
            exports.run_under_nvtx(self.cell, self.protocol, say)
            return []
        taken = take(self.cell, self.protocol, roofline.load_or_measure(self.cell.device, say=say), say)
        paths = [folder.write(self.folder, self.cell, taken.profile)]
        if self.trace:
            paths.append(exports.write_trace(taken.profiler, folder.path_of(self.folder, self.cell, ".trace.json.gz")))
        if self.snapshot and taken.snapshot is not None:
            path = folder.path_of(self.folder, self.cell, ".snapshot.pickle")
            paths.append(exports.write_snapshot(taken.snapshot, path))
        return paths
