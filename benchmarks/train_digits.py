"""Do they train equally well? Kernels, backbones and the paper's ablation on the embedded digits. Needs a CUDA GPU.

    python benchmarks/train_digits.py                      three quarters of an hour of an H200
    python benchmarks/train_digits.py --seconds 480 --seeds 6 --only backends
    python benchmarks/train_digits.py --pages --device cuda --out FOLDER           of what is there: needs no GPU
    python benchmarks/train_digits.py --gather A B --device cuda --out FOLDER      of what several GPUs of a machine ran
    python benchmarks/train_digits.py --device cpu --size N/4 --steps 100 --seeds 2    what it would do

backends    DiG with its fused kernels, fla's and PyTorch's chunks: in parity with each other?
families    DiG, DiT and DiS of one size side by side
ablation    DiG without parts of SREM, in the paper's order (arXiv 2405.18428)

All are contenders of one contest: the same data, noise and budget, each seed of all of them before the next. One that
cannot run here, or fails, is named, and the others go on. What is in the folder already is not run again, so that the
same command goes on after `--seconds` are over, or when it was killed. The folder gets runs.json and runs.csv, which
hold each training's images/s as well, verdicts.csv and ablation.csv; a page a question goes below `--reports`.
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
from dig_bench.parity import page, runs, verdict
from dig_bench.parity import results as stored
from dig_bench.parity.ablation import PUBLISHED_FID
from dig_bench.parity.contenders import parse
from dig_bench.parity.results import Results
from dig_bench.parity.training import Budget
from dig_models.samplers import Sampling

BACKENDS = {"cuda": ("fused", "fla", "chunked"), "cpu": ("chunked", "reference")}
QUESTIONS = ("backends", "families", "ablation")
FAMILIES = {"cuda": ("DiT-{size}@math", "DiS-{size}@mamba-ssm"), "cpu": ("DiT-{size}@sdpa", "DiS-{size}@chunked")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no run that would end later")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", default="T/2", help="T/2, T/4, N/2 or N/4: width and depth, pixels of a token")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--sampler-steps", type=int, default=25, help="of ddim: a divisor of 1000")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="of the figures, else results/MACHINE/train-digits")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="of the pages")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="of a contender; repeatable")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--only", choices=QUESTIONS, help="run the contenders of this question alone")
    what.add_argument("--pages", action="store_true", help="run nothing: verdicts and pages of what --out holds")
    what.add_argument("--gather", type=Path, nargs="+", metavar="FOLDER", help="run nothing: as --pages, of these")
    options = parser.parse_args()
    if options.gather and (options.out is None or (options.out / stored.RUNS).exists()):
        parser.error("--gather wants an --out that holds no runs yet")

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
            found = stored.read(out)
        else:
            found = contested(names, options, device, out)
    except runs.ContextLostError as lost:
        # An illegal access ends all work of its process: the others go on in a new one.
        left_s = max(0.0, options.seconds - (time.monotonic() - begin))
        rest = ["--device", device, "--without", str(lost), "--seconds", f"{left_s:.0f}"]
        sys.exit(subprocess.call([sys.executable, *sys.argv, *rest]))
    write(found, questions, out, options.reports)


def contested(names: list[str], options: argparse.Namespace, device: str, out: Path) -> Results:
    devices.require(device)
    contenders = []
    for name in dict.fromkeys(name for name in names if name not in options.without):
        try:
            contenders += parse([name], device)
        except ValueError as error:
            print(error, flush=True)
    settings = runs.Settings(
        budget=Budget(steps=options.steps, batch_size=options.batch, learning_rate=options.learning_rate),
        num_samples=options.samples,
        sampling=Sampling(sampler="ddim", steps=options.sampler_steps, clip=True),
    )
    return runs.run(
        contenders,
        range(options.seeds),
        settings,
        out,
        device=device,
        seconds=options.seconds,
        say=partial(print, flush=True),
        past_failures=True,
    )


def gathered(folders: list[Path], out: Path) -> Results:
    """Into out, their samples as well. ValueError for a folder without runs, and for runs of other conditions."""
    first, *others = (stored.read(folder) for folder in folders)
    for folder, other in zip(folders[1:], others, strict=True):
        if differs := stored.other_conditions(other, first):
            raise ValueError(f"{folder} holds {differs} in {folders[0]}")
    found = stored.merged(first, (run for other in others for run in other.runs))
    stored.write(found, out)
    for folder in folders:
        if (samples := folder / "samples").is_dir():
            shutil.copytree(samples, out / "samples", dirs_exist_ok=True)
    return found


def write(found: Results, questions: dict[str, list[str]], out: Path, reports: Path) -> None:
    """verdicts.csv and ablation.csv, and a page a question."""
    out.mkdir(parents=True, exist_ok=True)
    verdicts = []
    for question, contenders in questions.items():
        results = found.only(contenders)
        if not results.runs:
            print(f"{question}: nothing was run")
            continue
        comparisons = verdict.comparable(results, pairs(question, contenders))
        Console(width=150).print(page.render(results, comparisons))
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
    """Question -> contenders. DiG itself, by the first backend, is the last variant of the ablation as well."""
    backends = BACKENDS[device]
    dig = f"DiG-{size}@{backends[0]}"
    *variants, _itself = PUBLISHED_FID
    return {
        "backends": [f"DiG-{size}@{backend}" for backend in backends],
        "families": [dig, *(name.format(size=size) for name in FAMILIES[device])],
        "ablation": [*(f"DiG-{size}-{variant}@{backends[0]}" for variant in variants), dig],
    }


def pairs(question: str, contenders: list[str]) -> list[tuple[str, str]]:
    """Each against the first; of the ablation, each against the one before it."""
    if question == "ablation":
        return list(pairwise(contenders))
    return [(contenders[0], other) for other in contenders[1:]]


def ablation(results: Results, contenders: list[str]) -> pd.DataFrame:
    """Beside the paper's FIDs, and whether the distances rank the variants as those do."""
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
