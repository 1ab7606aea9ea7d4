"""The experiment behind the proof: a calibration, then comparisons of the code with itself, plain and slowed down."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console
from started_together import StartedTogether
from trial import Trial

from dig_bench.compare.calibrate import Calibrated, calibrate
from dig_bench.compare.calibration import Calibration
from dig_bench.compare.evidence import read_evidence
from dig_bench.compare.plan import Plan
from dig_bench.compare.settings import Settings
from dig_bench.compare.stored import read_comparison
from dig_bench.compare.versions import Version, VersionPair
from dig_bench.machine.device_lock import alone_on
from dig_bench.plan import plugins
from dig_bench.plan.sweep import Sweep, make
from dig_bench.run import orchestrate
from dig_bench.run.source import HERE

SUITE: dict[str, dict[str, Any]] = {
    "cpu": {
        "resolutions_px": (32, 48, 64, 80),
        "batch_sizes": (1, 2, 3),
        "modes": ("forward",),
        "executions": ("eager",),
    },
    "cuda": {
        "resolutions_px": (128, 256, 512),
        "batch_sizes": (1, 4),
        "modes": ("forward",),
        "executions": ("eager", "graph"),
    },
}
"""Twelve cells that share one worker per process. None trains: an optimiser takes seconds to import, every time."""

PROTOCOL = {
    "warmup_min_seconds": 0.05,
    "warmup_seconds": 0.05,
    "min_seconds": 0.05,
    "max_samples": 10000,
    "check_grid": 2,
    "energy_seconds": 0.0,
}

PLUGIN = "from planted_slowdown import planted\n\nBACKBONES = planted({share})\n"

WAIT_S = 3600


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Measures one step after the other, into folders below `work`. A step that is there already is not repeated."""

    device: str
    plan: Plan
    work: Path
    console: Console
    sampling_s: float
    """Seconds of timing samples per cell."""
    memory: bool
    """True to measure memory, too."""
    together: bool
    """True to start the workers of a step at the same time."""
    started: float = field(default_factory=time.monotonic)

    @cached_property
    def sweep(self) -> Sweep:
        """Cells to compare, in one process each."""
        file = self._plugin(0.0)
        plugins.load([file])
        return make(
            device=self.device,
            axes={"models": ("Steps-S/1",), "precisions": ("fp32",), **SUITE[self.device]},
            protocol={**PROTOCOL, "max_seconds": self.sampling_s, "memory": self.memory},
            plugins=[str(file)],
        )

    def calibrate(self, processes: int) -> tuple[Calibrated, Calibration]:
        """Measures the cells in this many processes and calibrates the machine with them."""
        numbers = range(1, processes + 1)
        cells = tuple(replace(cell, process=number) for number in numbers for cell in self.sweep.cells)
        sweep = replace(self.sweep, name="calibrate", cells=cells)
        with self._workers(processes):
            folder, _ = orchestrate.run(
                sweep, self.work / "calibrate", resume=True, quiet=True, console=self.console, wait_s=WAIT_S
            )
        evidence = read_evidence(folder)
        found = calibrate(evidence, Settings())
        return found, found.calibration(evidence)

    def trial(self, share: float, number: int, settings: Settings) -> Trial:
        """Compares the code with itself, slowed down by `share`."""
        folder = self.work / f"{100 * share:g}" / str(number)
        base, candidate = self._version("base", 0.0), self._version("candidate", share)
        with (
            alone_on(self.device, wait_s=WAIT_S, say=self.console.print),
            self._workers(2 * self.plan.processes),
            VersionPair((base, candidate), self.sweep, folder, resume=True, console=self.console, quiet=True) as pair,
        ):
            # Not primed: the calibration has filled the compilers' caches.
            pair.decide(settings, self.plan)
        trial = Trial(share=share, number=number, comparison=read_comparison(folder, settings))
        caught = f"{len(trial.caught)} of {len(trial.comparison.cells)} cells slower"
        undecided = f"{len(trial.comparison.undecided)} undecided"
        seconds = time.monotonic() - self.started
        self.console.print(f"{seconds:6.0f} s  +{100 * share:g} % number {number}: {caught}, {undecided}")
        return trial

    def _workers(self, count: int) -> AbstractContextManager[object]:
        """Starts this many workers at the same time; without `together`, each starts when it is needed."""
        return StartedTogether(count) if self.together else nullcontext()

    def _version(self, title: str, share: float) -> Version:
        """Returns the running code with a slow-down."""
        return Version(title=title, source=HERE, plugins=(str(self._plugin(share)),), identity={}, about={})

    def _plugin(self, share: float) -> Path:
        path = self.work / f"planted_{100 * share:g}.py"
        path.write_text(PLUGIN.format(share=share), encoding="utf-8")
        return path
