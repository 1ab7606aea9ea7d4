"""Compares how kernels, backbones and the paper's ablation train on the embedded digits. Needs a CUDA GPU.

    python benchmarks/training/digits.py                      45 minutes on an H200
    python benchmarks/training/digits.py --seconds 480 --seeds 6 --only backends
    python benchmarks/training/digits.py --pages --device cuda --out FOLDER           stored runs: needs no GPU
    python benchmarks/training/digits.py --gather A B --device cuda --out FOLDER      merge runs of several GPUs
    python benchmarks/training/digits.py --device cpu --size N/4 --steps 100 --seeds 2    trial on a CPU

backends    DiG with its fused kernels, fla's and PyTorch's chunks: are they in parity?
families    DiG, DiT and DiS of one size
ablation    DiG without parts of SREM, in the paper's order (arXiv 2405.18428)

All contenders share data, noise and budget, and each seed runs for all of them before the next seed. A contender that
fails is reported, and the others continue. Stored runs are not repeated: run the same command again to resume.
The folder gets runs.json and runs.csv, which include training throughput, verdicts.csv and ablation.csv. Each question
gets a page in `--reports`.
"""

import argparse
import math
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path

import pandas as pd
from rich.console import Console

from dig_bench.machine import devices, environment
from dig_bench.parity import contest, store, verdict
from dig_bench.parity.ablation import PUBLISHED_FID
from dig_bench.parity.contenders import Contender, parse
from dig_bench.parity.output import page, terminal
from dig_bench.parity.results import Results
from dig_bench.parity.settings import Budget, Settings
from dig_bench.run.step import first_line
from dig_models.samplers import Sampling

BACKENDS = {"cuda": ("fused", "fla", "chunked"), "cpu": ("chunked", "reference")}
QUESTIONS = ("backends", "families", "ablation")
FAMILIES = {"cuda": ("DiT-{size}@math", "DiS-{size}@mamba-ssm"), "cpu": ("DiT-{size}@sdpa", "DiS-{size}@chunked")}


class ContextLostError(Exception):
    """A contender, named in the message, failed on a GPU. The process may have lost the device and must end."""


def main() -> None:
    """Runs or reads the contest, and writes verdicts and pages."""
    options = parsed()
    device = devices.choose(options.device)
    out = options.out or Path("results") / environment.machine_name(environment.describe(device)) / "train-digits"
    questions = asked(options.size, device)
    begin = time.monotonic()
    try:
        chosen = [options.only] if options.only else QUESTIONS
        names = [name for question in chosen for name in questions[question]]
        if options.gather:
            found = gathered(options.gather, out)
        elif options.pages:
            found = store.read(out)
        else:
            found = contested(names, options, device, out)
    except ContextLostError as lost:
        # An illegal access ends all work of its process: the others continue in a new one.
        left_s = max(0.0, options.seconds - (time.monotonic() - begin))
        rest = ["--device", device, "--without", str(lost), "--seconds", f"{left_s:.0f}"]
        sys.exit(subprocess.call([sys.executable, *sys.argv, *rest]))
    write(found, questions, out, options.reports)


def parsed() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=math.inf, help="start no run that would end later")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", default="T/2", help="T/2, T/4, N/2 or N/4: size, and pixels along a side of a token")
    parser.add_argument("--steps", type=int, default=10_000, help="training steps")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--images", type=int, default=2000, help="images to generate and score")
    parser.add_argument("--sampler-steps", type=int, default=25, help="ddim steps: a divisor of 1000")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="folder of the runs; default: results/MACHINE/train-digits")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="folder of the pages")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="skip a contender; repeatable")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--only", choices=QUESTIONS, help="run only the contenders of this question")
    what.add_argument("--pages", action="store_true", help="run nothing; write verdicts and pages of the runs in --out")
    what.add_argument("--gather", type=Path, nargs="+", metavar="FOLDER", help="run nothing; merge these into --out")
    options = parser.parse_args()
    if options.gather and (options.out is None or (options.out / store.RUNS).exists()):
        parser.error("--gather needs an --out that holds no runs yet")
    return options


def contested(names: list[str], options: argparse.Namespace, device: str, out: Path) -> Results:
    """Runs the contest. Raises ContextLostError if a contender fails on a GPU."""
    devices.require(device)
    contenders = []
    for name in dict.fromkeys(name for name in names if name not in options.without):
        try:
            contenders += parse([name], device)
        except ValueError as error:
            print(error, flush=True)
    settings = Settings(
        budget=Budget(steps=options.steps, batch_size=options.batch, learning_rate=options.learning_rate),
        num_images=options.images,
        sampling=Sampling(sampler="ddim", steps=options.sampler_steps, clip=True),
    )
    return contest.Contest(contenders=contenders, seeds=range(options.seeds), settings=settings, device=device).run(
        out, seconds=options.seconds, say=partial(print, flush=True), on_failure=partial(report, device)
    )


def report(device: str, contender: Contender, seed: int, error: Exception) -> None:
    """Prints the failure of a run. On a GPU raises ContextLostError."""
    print(f"{contender.name} seed {seed}: {first_line(error)}", flush=True)
    if device == "cuda":
        raise ContextLostError(contender.name) from error


def gathered(folders: list[Path], out: Path) -> Results:
    """Merges the runs and images of several folders into `out`.

    Raises ValueError for a folder without runs, and for runs under different conditions.
    """
    first, *others = (store.read(folder) for folder in folders)
    for folder, other in zip(folders[1:], others, strict=True):
        if differs := store.difference(other, first):
            raise ValueError(f"{folder} holds {differs} in {folders[0]}")
    found = first.merged(run for other in others for run in other.runs)
    store.write(found, out)
    for folder in folders:
        if (images := folder / contest.IMAGES).is_dir():
            shutil.copytree(images, out / contest.IMAGES, dirs_exist_ok=True)
    return found


def write(found: Results, questions: dict[str, list[str]], out: Path, reports: Path) -> None:
    """Writes verdicts.csv and ablation.csv, and a page for each question."""
    out.mkdir(parents=True, exist_ok=True)
    verdicts = []
    for question, contenders in questions.items():
        results = found.only(contenders)
        if not results.runs:
            print(f"{question}: no runs")
            continue
        comparisons = verdict.comparable(results, pairs(question, contenders))
        Console(width=150).print(terminal.render(results, comparisons))
        folder = reports / f"train-digits-{question}"
        folder.mkdir(parents=True, exist_ok=True)
        print(*page.write(results, comparisons, folder)[:1])
        verdicts += [
            {"question": question, "a": each.a, "b": each.b, "seeds": each.seeds, **asdict(finding)}
            | {"verdict": finding.verdict}
            for each in comparisons
            for finding in each.findings
        ]
    pd.DataFrame(verdicts).to_csv(out / "verdicts.csv", index=False, float_format="%.5g")
    ablation(found.only(questions["ablation"]), questions["ablation"]).to_csv(
        out / "ablation.csv", index=False, float_format="%.5g"
    )
    print(out)


def asked(size: str, device: str) -> dict[str, list[str]]:
    """Returns the contenders of each question. DiG with the first backend is also the ablation's last variant."""
    backends = BACKENDS[device]
    dig = f"DiG-{size}@{backends[0]}"
    *variants, _itself = PUBLISHED_FID
    return {
        "backends": [f"DiG-{size}@{backend}" for backend in backends],
        "families": [dig, *(name.format(size=size) for name in FAMILIES[device])],
        "ablation": [*(f"DiG-{size}-{variant}@{backends[0]}" for variant in variants), dig],
    }


def pairs(question: str, contenders: list[str]) -> list[tuple[str, str]]:
    """Returns the pairs to compare: each with the first; in the ablation, each with the one before it."""
    if question == "ablation":
        return list(pairwise(contenders))
    return [(contenders[0], other) for other in contenders[1:]]


def ablation(results: Results, contenders: list[str]) -> pd.DataFrame:
    """Returns the distances beside the paper's FIDs, with the ranks of both."""
    table = pd.DataFrame(
        {
            "variant": variant,
            "published_fid": fid,
            "distance_mean": pd.Series([run.distance for run in results.of(name)], dtype=float).mean(),
            "seeds": len(results.of(name)),
        }
        for (variant, fid), name in zip(PUBLISHED_FID.items(), contenders, strict=True)
    )
    return table.assign(
        published_rank=table["published_fid"].rank(), measured_rank=table["distance_mean"].rank()
    ).rename(columns={"distance_mean": f"{results.metric}_mean"})


if __name__ == "__main__":
    main()
