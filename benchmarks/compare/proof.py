"""Proves by measurement that `dig-bench compare` passes identical code, and detects slow-downs of known size.

    python benchmarks/compare/proof.py --device cpu
    python benchmarks/compare/proof.py --device cuda --comparisons 3 --planted 1 --calibration-processes 6 \\
        --start-together --skip-memory --seconds 460

Calibrates the machine, then compares the code with itself, and with itself slower by 3, 5 and 10 %. Each comparison
proceeds as `dig-bench compare --base`: processes in turn, suspects measured again. The results stand beside the
calibration's prediction, which applies the same procedure to simulated processes with its noise. Writes proof.md,
proof.csv and manifest.json. With --work, the same command resumes after a kill or after --seconds.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiment import SUITE, Experiment
from prediction import simulate
from proof_page import details, percent, summary
from rich.console import Console
from trial import Trial

from dig_bench.compare.calibrate import check_processes
from dig_bench.compare.plan import Plan
from dig_bench.compare.settings import Settings
from dig_bench.files.clock import utc_now
from dig_bench.files.json_codec import dumps
from dig_bench.machine import environment


def parse() -> Namespace:
    """Parses the command line; `plan` is made of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=tuple(SUITE), default="cpu")
    parser.add_argument("--comparisons", type=int, default=20, help="comparisons of the code with itself")
    parser.add_argument("--slow-downs", type=float, nargs="*", default=[3.0, 5.0, 10.0], metavar="PERCENT")
    parser.add_argument("--planted", type=int, default=2, help="comparisons per slow-down")
    parser.add_argument("--processes", type=int, default=Plan.processes, help="processes per side")
    parser.add_argument(
        "--max-processes", type=int, default=Plan.processes, help="most processes per side for undecided cells"
    )
    parser.add_argument("--calibration-processes", type=int, default=10)
    parser.add_argument("--max-seconds", type=float, default=0.1, help="seconds of timing samples per cell")
    parser.add_argument("--start-together", action="store_true", help="start the processes of a comparison together")
    parser.add_argument("--skip-memory", action="store_true", help="do not measure memory")
    parser.add_argument("--seconds", type=float, default=math.inf, help="start no comparison after this time")
    parser.add_argument("--suites", type=int, default=300, help="simulated comparisons per prediction")
    parser.add_argument("--out", type=Path, help="folder of the proof; default results/MACHINE/decide-proof")
    parser.add_argument("--work", type=Path, help="folder to keep the processes in, and to resume from")
    arguments = parser.parse_args()
    try:
        arguments.plan = Plan(processes=arguments.processes, max_processes=arguments.max_processes)
        check_processes(arguments.calibration_processes)
    except ValueError as error:
        parser.error(str(error))
    return arguments


def described(arguments: Namespace, machine: Mapping[str, Any], cells: int) -> str:
    """Returns the conditions of the proof, in one paragraph."""
    plan = arguments.plan
    return (
        f"Written by `benchmarks/compare/proof.py --device {arguments.device}`, {utc_now()[:10]}: "
        f"{machine['gpu_name'] or machine['cpu']}, {cells} cells, {plan.processes} processes a side (at "
        f"most {plan.max_processes}), as many to confirm, {arguments.max_seconds:g} s of timing samples a cell. "
        f"{'Processes of a comparison start together, and sleep until their turn. ' * arguments.start_together}"
        f"{'Memory is not measured. ' * arguments.skip_memory}"
        f"The calibration has {arguments.calibration_processes} processes. Predicted: the same procedure for "
        f"{arguments.suites} simulated comparisons with its noise, normal and independent."
    )


def write_csv(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def run(experiment: Experiment, settings: Settings, arguments: Namespace) -> list[Trial]:
    """Runs the comparisons that start within the time, those of identical code first."""
    shares = [slow_down / 100 for slow_down in arguments.slow_downs]
    wanted = [(0.0, number) for number in range(1, arguments.comparisons + 1)]
    wanted += [(share, number) for number in range(1, arguments.planted + 1) for share in shares]
    in_time = itertools.takewhile(lambda _: time.monotonic() - experiment.started < arguments.seconds, wanted)
    trials = [experiment.trial(share, number, settings) for share, number in in_time]
    if not any(trial.share == 0 for trial in trials):
        sys.exit("no comparison of the code with itself was started: use --comparisons from 1 or more --seconds")
    return trials


def main() -> None:
    arguments = parse()
    machine = environment.describe(arguments.device)
    out = arguments.out or Path("results") / environment.machine_name(machine) / "decide-proof"
    started_at = utc_now()
    with tempfile.TemporaryDirectory(prefix="dig-bench-") as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        experiment = Experiment(
            device=arguments.device,
            plan=arguments.plan,
            work=work,
            console=Console(file=sys.stderr),
            sampling_s=arguments.max_seconds,
            memory=not arguments.skip_memory,
            together=arguments.start_together,
        )
        # Reads the plugins, which the temporary folder takes with it.
        spec = experiment.sweep.spec()
        found, calibration = experiment.calibrate(arguments.calibration_processes)
        settings = Settings(calibration=calibration)
        trials = run(experiment, settings, arguments)
    predicted = {
        share: simulate(calibration, settings, arguments.plan, slower=share, suites=arguments.suites)
        for share in dict.fromkeys(trial.share for trial in trials)
    }
    about = described(arguments, machine, len(experiment.sweep.cells))
    out.mkdir(parents=True, exist_ok=True)
    (out / "proof.md").write_text("\n".join(summary(trials, predicted, found, about)), encoding="utf-8")
    write_csv(out / "proof.csv", list(details(trials)))
    manifest = {
        "spec": {**spec, "plan": asdict(arguments.plan), "comparisons": len(trials)},
        "environment": machine,
        "started_at": started_at,
        "finished_at": utc_now(),
        "noise": {str(spread.key): spread.noise.sd for spread in found.spreads if spread.metric == "latency"},
        "predicted": {percent(share): asdict(rates) for share, rates in predicted.items()},
    }
    (out / "manifest.json").write_text(dumps(manifest), encoding="utf-8")
    print((out / "proof.md").read_text(encoding="utf-8"))
    sys.exit(any(trial.comparison.regressions for trial in trials if not trial.share))


if __name__ == "__main__":
    main()
