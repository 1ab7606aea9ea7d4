"""Measures this project's baselines beside the published and the ecosystem's implementations, in one run on one device.

    python benchmarks/opponents/measure.py --output results/h200/opponents.csv
    python benchmarks/opponents/measure.py --families DiG --executions graph --output dig.csv
    python benchmarks/opponents/measure.py --device cpu --tiny --output tiny.csv        a dry run

Forward passes of XL/2, one image, bf16: as CUDA graphs, and as CUDA graphs of what torch.compile makes of the network.
All contenders of a family, resolution and execution are captured first and then timed in turns, in a new order each
time, so that clocks and power are the same for all. A row has the median of all samples with its interval, the medians
of the turns, and the relative difference of the output from that of the family's first contender, where both have the
same parameters. A contender that cannot run is a row with the reason.
"""

from __future__ import annotations

import argparse
import gc
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from contenders import Contender, Size, contenders
from torch import Tensor, nn

from dig_bench.files import output_file
from dig_bench.machine import environment
from dig_bench.measure import latency
from dig_bench.measure.latency import Sampling, WarmUp
from dig_bench.measure.statistics import summarise
from dig_bench.measure.timer import timer_for
from dig_bench.run.capture import capture
from dig_bench.run.step import Inputs, Step, first_line, forward_step

FAMILIES = ("DiG", "DiT", "DiS")
ABOUT = ("gpu_name", "torch", "git_revision", "git_dirty")
"""Columns about the machine and the code."""
TINY = Size(name="S", resolution_px=64, width=64, depth=4)


@dataclass(kw_only=True)
class Subject:
    """A contender that is ready to be timed, and its samples, one list for each turn."""

    contender: Contender
    step: Step
    row: dict[str, Any]
    turns_ms: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Settings:
    device: str
    turns: int
    seconds: float
    """Time of a turn after its warm-up."""

    @property
    def precision(self) -> str:
        return "bf16" if self.device == "cuda" else "fp32"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--resolutions", default="1024,2048")
    parser.add_argument("--executions", default=None, help="default: graph,compile-graph; on a CPU eager")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--tiny", action="store_true", help="networks of four narrow blocks")
    options = parser.parse_args()
    output_file.check([options.output], [".csv"])
    settings = Settings(device=options.device, turns=options.turns, seconds=options.seconds)
    executions = options.executions or ("graph,compile-graph" if options.device == "cuda" else "eager")
    sizes = (
        [TINY] if options.tiny else [Size(name="XL", resolution_px=int(px)) for px in options.resolutions.split(",")]
    )
    described = environment.describe(options.device)
    about = {name: described.get(name) for name in ABOUT}
    rows: list[dict[str, Any]] = []
    for family in options.families.split(","):
        of_family = [each for each in contenders(options.device) if each.family == family]
        for size in sizes:
            for execution in executions.split(","):
                chosen = [each for each in of_family if each.compiles or not execution.startswith("compile")]
                rows += [row | about for row in side_by_side(chosen, size, execution, settings)]
                output_file.write(options.output, pd.DataFrame(rows).to_csv(index=False, float_format="%.5g"))
                torch.compiler.reset()


def side_by_side(chosen: Sequence[Contender], size: Size, execution: str, settings: Settings) -> list[dict[str, Any]]:
    """Returns a row for each contender, of which all have been timed in turns."""
    rows, subjects, expected = [], [], None
    for contender in chosen:
        row = {"family": contender.family, "contender": contender.name, "is_ours": contender.is_ours}
        row |= {"resolution_px": size.resolution_px, "execution": execution, "precision": settings.precision}
        row |= {"missing": contender.missing}
        rows.append(row)
        if contender.missing:
            continue
        try:
            model = contender.build(size, settings.precision, settings.device)
            step, output, row["first_call_s"] = prepared(model, execution, settings.device)
        except Exception as error:
            row["missing"] = first_line(error)
            continue
        if hasattr(model, "kernels") and contender.is_ours:
            row["kernels"] = model.kernels()
        if expected is None:
            expected = output
        elif not contender.name.startswith("diffusers"):
            row["difference"] = ((output - expected).norm() / expected.norm()).item()
        subjects.append(Subject(contender=contender, step=step, row=row))
        print("ready:", contender.family, contender.name, size.resolution_px, execution, flush=True)
    take_turns(subjects, settings)
    for subject in subjects:
        fill(subject)
    del subjects
    gc.collect()
    return rows


def prepared(model: nn.Module, execution: str, device: str) -> tuple[Step, Tensor, float]:
    """Returns the step that is timed, the output in fp32 on the CPU, and the seconds of the first call."""
    call: Callable[..., Tensor] = model
    if execution.startswith("compile"):
        call = torch.compile(model)
    step = forward_step(call, Inputs.random(model, 1))  # type: ignore[arg-type]
    first_call_s = latency.first_call_s(step, device)
    if execution.endswith("graph"):
        step = capture(step)
        step()
    return step, step.outputs[0].float().cpu(), first_call_s


def take_turns(subjects: Sequence[Subject], settings: Settings) -> None:
    timer = timer_for(settings.device, flush_l2=True)
    order = random.Random(0)
    for _ in range(settings.turns):
        for subject in order.sample(list(subjects), len(subjects)):
            timed = latency.measure(
                list(subject.step.parts.values()),
                timer,
                warm_up=WarmUp(min_seconds=min(1.0, settings.seconds), max_seconds=3 * settings.seconds),
                sampling=Sampling(
                    min_samples=2,
                    max_samples=2000,
                    min_seconds=settings.seconds,
                    max_seconds=settings.seconds,
                    target_half_width=0.0,
                ),
            )
            subject.turns_ms.append(timed.times.total_ms)


def fill(subject: Subject) -> None:
    """Summarises the samples in the row. The interval covers the medians of all turns."""
    turns = [summarise(samples) for samples in subject.turns_ms]
    found = summarise([ms for samples in subject.turns_ms for ms in samples])
    medians = [turn.median for turn in turns]
    subject.row |= {
        "latency_ms_median": found.median,
        "latency_ms_ci_low": min([*medians, found.ci_low or found.median]),
        "latency_ms_ci_high": max([*medians, found.ci_high or found.median]),
        "turns_ms_median": " ".join(f"{median:.5g}" for median in medians),
        "num_samples": found.num_samples,
    }
    print(
        f"{subject.row['family']} {subject.row['resolution_px']} px {subject.row['execution']:14} "
        f"{found.median:8.3f} ms [{subject.row['latency_ms_ci_low']:.3f}, {subject.row['latency_ms_ci_high']:.3f}]  "
        f"{subject.contender.name}",
        flush=True,
    )


if __name__ == "__main__":
    main()
