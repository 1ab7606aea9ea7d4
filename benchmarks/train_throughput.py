"""Training throughput of backbones by the loop of `dig-bench train`, in one process or in several.

    python benchmarks/train_throughput.py --models DiG-S/2@fused,DiT-S/2@flash2 --precision bf16 --out one.json
    torchrun --standalone --nproc-per-node 2 benchmarks/train_throughput.py ... --out two.json
    python benchmarks/train_throughput.py --compare one.json two.json

Both have the same batch, of all processes together, and the same latents, noise and timesteps: their losses have to be
the same but for rounding. Steps are those of the loop, with the optimiser and the averages; the latents are random, and
in memory. Eager steps of small networks wait for the host: `--compile`, or more images a GPU. On a CPU the peak of
memory is that of the process so far.
"""

import argparse
import gc
import json
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from dig_bench.machine import devices, environment
from dig_bench.run.precision import tf32
from dig_bench.train.data import Source
from dig_bench.train.data.order import Pick
from dig_bench.train.loop import Trainer
from dig_bench.train.settings import Settings
from dig_bench.train.start import chosen, fresh
from dig_bench.train.watch import memory_mib

WARMUP_REPORTS = 2


class RandomLatents(Source):
    name, digest = "random latents", ""
    num_classes = 1000
    of_latents = True

    def __init__(self, image_size: int, count: int) -> None:
        self.image_size, self.shape = image_size, (4, image_size // 8, image_size // 8)
        self._latents = torch.randn(count, *self.shape, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self._latents)

    def load(self, pick: Pick) -> tuple[Tensor, int]:
        return self._latents[pick.number], pick.number % self.num_classes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="DiG-S/2,DiT-S/2")
    parser.add_argument("--res", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64, help="images a step, of all processes together")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--report-every", type=int, default=10)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("train-throughput.json"))
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("ONE.json", "MORE.json"))
    options = parser.parse_args()
    if options.compare:
        compare(*(json.loads(path.read_text()) for path in options.compare))
        return

    device = devices.choose(options.device)
    settings = Settings(
        steps=options.steps, batch_size=options.batch, precision=options.precision, compile=options.compile
    )
    source = RandomLatents(options.res, 4 * options.batch)
    state = PartialState(cpu=device == "cpu")
    found: dict[str, Any] = {
        "manifest": environment.describe(device),
        "processes": state.num_processes,
        "resolution_px": options.res,
        "settings": asdict(settings),
        "rows": [],
    }
    with tf32(options.precision == "tf32"):
        for name in options.models.split(","):
            row = measure(name, source, settings, device, options.report_every)
            if state.is_main_process:
                print(f"{row['name']}: {row['images_per_s']:.4g} images/s, {row['peak_mib']:.0f} MiB", flush=True)
                # After each: what the next one breaks, or a time limit, takes nothing of it.
                found["rows"].append(row)
                options.out.write_text(json.dumps(found, indent=2) + "\n")
    if state.is_main_process:
        print(options.out)
    state.destroy_process_group()


def measure(name: str, source: Source, settings: Settings, device: str, report_every: int) -> dict[str, Any]:
    """Images/s is the median over reports, each of `report_every` steps, without the first two."""
    model, backend = chosen(name, device=device, precision=settings.precision)
    # A trainer lies in a cycle with what accelerate made of it: the last one's tensors would count as this one's.
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    start = fresh(model, source, settings, backend=backend, initial=None)
    trainer = Trainer(start, source, settings, backend=backend, device=device, workers=2)
    reports = list(trainer.run(None, report_every=report_every, save_every=settings.steps))
    steady = [report.images_per_s for report in reports[WARMUP_REPORTS:] or reports]
    network = trainer.accelerator.unwrap_model(trainer.network)
    return {
        "name": f"{model}@{backend}",
        "kernels": network.kernels(),
        "images_per_s": statistics.median(steady),
        "images_per_s_of_reports": [report.images_per_s for report in reports],
        "peak_mib": memory_mib(),
        "losses": [loss for report in reports for loss in report.losses],
    }


def compare(one: dict[str, Any], more: dict[str, Any]) -> None:
    """How much faster, and whether the losses are the same. ValueError for runs of other settings."""
    for key in ("resolution_px", "settings"):
        if one[key] != more[key]:
            raise ValueError(f"{key} is not the same: {one[key]}, {more[key]}")
    factor = more["processes"] / one["processes"]
    rows = {row["name"]: row for row in one["rows"]}
    for row in more["rows"]:
        if row["name"] not in rows:
            print(f"{row['name']}: of one side only")
            continue
        other = rows[row["name"]]
        speedup = row["images_per_s"] / other["images_per_s"]
        differences = [abs(a / b - 1) for a, b in zip(row["losses"], other["losses"], strict=True)]
        print(
            f"{row['name']}: {speedup:.2f} times the images/s by {factor:g} times the processes, "
            f"efficiency {speedup / factor:.1%}; losses differ by {max(differences):.1e} at most, "
            f"{differences[0]:.1e} in the first step, over {len(differences)} steps"
        )


if __name__ == "__main__":
    main()
