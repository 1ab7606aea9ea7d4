"""Does `dig-bench compare` stay green on identical code, and find a slow-down whose size is known? Measured for real.

    python benchmarks/decide_proof.py --device cpu
    python benchmarks/decide_proof.py --device cuda --comparisons 3 --planted 1 --calibration-processes 6 \\
        --start-together --skip-memory --seconds 460

First `calibrate`, then comparisons of the code with itself, then with itself slower by 3, 5 and 10 %. Each takes the
same steps as `dig-bench compare --base`: processes in turn, suspects launched anew. Beside what was found stands what
the calibration had predicted, from the same steps over simulated processes of its noise. Writes proof.md, proof.csv and
manifest.json. Killed, or ended by --seconds, the same command with --work goes on.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from decide_page import details, percent, summary
from decide_prediction import simulate
from decide_trial import Trial
from rich.console import Console
from started_together import StartedTogether

from dig_bench.compare import revisions
from dig_bench.compare.calibrate import Findings, calibrate
from dig_bench.compare.calibration import Calibration
from dig_bench.compare.decision import MIN_PROCESSES
from dig_bench.compare.evidence import read_evidence
from dig_bench.compare.interleave import Plan
from dig_bench.compare.settings import Settings
from dig_bench.files.clock import utc_now
from dig_bench.machine import environment
from dig_bench.machine.device_lock import alone_on
from dig_bench.plan import plugins
from dig_bench.plan.sweep import Sweep, make
from dig_bench.run import orchestrate
from dig_bench.run.workers import Workers

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
"""Twelve cells, of one worker in each process. None trains: an optimiser takes seconds to import, in every process."""

PROTOCOL = {"warmup_seconds": 0.05, "min_seconds": 0.05, "max_samples": 10000, "check_grid": 2, "energy_seconds": 0.0}

PLUGIN = "from planted_slowdown import planted\n\nBACKBONES = planted({share})\n"


class Proof:
    """Measures, one step after the other, into folders below `work`."""

    def __init__(
        self,
        device: str,
        plan: Plan,
        sampling_s: float,
        work: Path,
        console: Console,
        *,
        together: bool,
        memory: bool,
    ) -> None:
        self.device = device
        self.plan = plan
        self.together = together
        self.work = work
        self.console = console
        self.started = time.monotonic()
        self.sweep = self._sweep(sampling_s, memory)

    def calibrate(self, processes: int) -> tuple[Findings, Calibration]:
        cells = tuple(replace(cell, process=n) for n in range(1, processes + 1) for cell in self.sweep.cells)
        sweep = replace(self.sweep, name="calibrate", cells=cells)
        with self._workers(processes, [sweep.plugins]) as workers:
            folder, _ = orchestrate.run(
                sweep,
                self.work / "calibrate",
                resume=True,
                quiet=True,
                console=self.console,
                wait_s=3600,
                workers=workers,
            )
        measured = read_evidence(folder)
        found = calibrate(measured, Settings())
        return found, found.calibration(measured)

    def trial(self, share: float, number: int, settings: Settings) -> Trial:
        versions = [
            revisions.here(title, plugins=[str(self._plugin(planted))])
            for title, planted in (("base", 0.0), ("candidate", share))
        ]
        with (
            alone_on(self.device, wait_s=3600, say=self.console.print),
            self._workers(self.plan.processes, [version.plugins for version in versions]) as workers,
        ):
            comparison = revisions.compare_versions(
                versions,
                self.sweep,
                settings,
                self.plan,
                folder=self.work / f"{100 * share:g}" / str(number),
                resume=True,
                quiet=True,
                console=self.console,
                # The calibration has filled all caches.
                prime=False,
                workers=workers,
            )
        trial = Trial(share=share, number=number, comparison=comparison)
        caught = f"{len(trial.caught)} of {len(comparison.cells)} cells slower"
        undecided = f"{len(comparison.undecided)} undecided"
        seconds = time.monotonic() - self.started
        self.console.print(f"{seconds:6.0f} s  +{100 * share:g} % number {number}: {caught}, {undecided}")
        return trial

    def _workers(self, processes: int, plugins: Sequence[tuple[str, ...]]) -> AbstractContextManager[Workers | None]:
        """Those of each process and, of that, one for each of `plugins`; None starts each in its turn."""
        if not self.together:
            return nullcontext()
        cells = (replace(cell, process=n) for n in range(1, processes + 1) for cell in self.sweep.cells)
        keys = dict.fromkeys(cell.worker for cell in cells)
        return StartedTogether([(key, each) for key in keys for each in plugins])

    def _sweep(self, sampling_s: float, memory: bool) -> Sweep:
        file = self._plugin(0.0)
        plugins.load([file])
        return make(
            device=self.device,
            axes={"models": ("Steps-S/1",), "precisions": ("fp32",), **SUITE[self.device]},
            protocol={**PROTOCOL, "max_seconds": sampling_s, "memory": memory},
            plugins=[str(file)],
        )

    def _plugin(self, share: float) -> Path:
        path = self.work / f"planted_{100 * share:g}.py"
        path.write_text(PLUGIN.format(share=share), encoding="utf-8")
        return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=tuple(SUITE), default="cpu")
    parser.add_argument("--comparisons", type=int, default=20, help="of the code with itself")
    parser.add_argument("--slow-downs", type=float, nargs="*", default=[3.0, 5.0, 10.0], metavar="PERCENT")
    parser.add_argument("--planted", type=int, default=2, help="comparisons for each of the slow-downs")
    parser.add_argument("--processes", type=int, default=3, help="of each side")
    parser.add_argument("--max-processes", type=int, default=3, help="of each side, for undecided cells")
    parser.add_argument("--calibration-processes", type=int, default=10)
    parser.add_argument("--max-seconds", type=float, default=0.1, help="of sampling, for each cell")
    parser.add_argument("--start-together", action="store_true", help="the processes of a comparison, to save time")
    parser.add_argument("--skip-memory", action="store_true", help="measure no memory, to save time")
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no comparison after so many of them")
    parser.add_argument("--suites", type=int, default=300, help="simulated for each prediction")
    parser.add_argument("--out", type=Path, help="else results/MACHINE/decide-proof")
    parser.add_argument("--work", type=Path, help="keep the processes here, and go on with them")
    arguments = parser.parse_args()
    try:
        plan = Plan(processes=arguments.processes, max_processes=arguments.max_processes)
    except ValueError as error:
        parser.error(str(error))
    if arguments.calibration_processes < 2 * MIN_PROCESSES:
        parser.error(f"--calibration-processes takes a whole number from {2 * MIN_PROCESSES}")
    machine = environment.describe(arguments.device)
    out = arguments.out or Path("results") / environment.machine_name(machine) / "decide-proof"
    shares = [slow_down / 100 for slow_down in arguments.slow_downs]
    started_at = utc_now()
    with tempfile.TemporaryDirectory(prefix="dig-bench-") as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        proof = Proof(
            arguments.device,
            plan,
            arguments.max_seconds,
            work,
            Console(file=sys.stderr),
            together=arguments.start_together,
            memory=not arguments.skip_memory,
        )
        # It reads the plugins, which end with the folder.
        spec = proof.sweep.spec()
        found, calibration = proof.calibrate(arguments.calibration_processes)
        settings = Settings(calibration=calibration)
        wanted = [(0.0, n) for n in range(1, arguments.comparisons + 1)]
        wanted += [(share, n) for n in range(1, arguments.planted + 1) for share in shares]
        in_time = itertools.takewhile(lambda _: time.monotonic() - proof.started < arguments.seconds, wanted)
        trials = [proof.trial(share, number, settings) for share, number in in_time]
    if not any(trial.share == 0 for trial in trials):
        sys.exit("no comparison of the code with itself was begun: --comparisons from 1, more --seconds")
    predicted = {
        share: simulate(calibration, settings, plan, slower=share, suites=arguments.suites)
        for share in dict.fromkeys(trial.share for trial in trials)
    }
    about = (
        f"Written by `benchmarks/decide_proof.py --device {arguments.device}`, {utc_now()[:10]}: "
        f"{machine['gpu_name'] or machine['cpu']}, {len(proof.sweep.cells)} cells, {plan.processes} processes a side (at "
        f"most {plan.max_processes}), as many to confirm, {arguments.max_seconds:g} s of sampling a cell. "
        f"{'Processes of a comparison start together, and wait asleep for their turn. ' * arguments.start_together}"
        f"{'Memory is not measured. ' * arguments.skip_memory}"
        f"A calibration of {arguments.calibration_processes} processes is in use. Predicted: the same steps over "
        f"{arguments.suites} simulated suites of its noise, normal and independent."
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "proof.md").write_text("\n".join(summary(trials, predicted, found, about)), encoding="utf-8")
    with (out / "proof.csv").open("w", encoding="utf-8", newline="") as file:
        lines = list(details(trials))
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    manifest = {
        "spec": {**spec, "plan": asdict(plan), "comparisons": len(trials)},
        "environment": machine,
        "started_at": started_at,
        "finished_at": utc_now(),
        "noise": {str(spread.key): spread.noise.sd for spread in found.spreads if spread.metric == "latency"},
        "predicted": {percent(share): asdict(rates) for share, rates in predicted.items()},
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    print((out / "proof.md").read_text(encoding="utf-8"))
    sys.exit(any(trial.comparison.regressions for trial in trials if not trial.share))


if __name__ == "__main__":
    main()
