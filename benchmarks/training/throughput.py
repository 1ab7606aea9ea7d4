"""Measures the training throughput of `dig-bench train`, in one process or in several.

    python benchmarks/training/throughput.py --models DiG-S/2@fused,DiT-S/2@flash2 --precision bf16 --output one.json
    torchrun --standalone --nproc-per-node 2 benchmarks/training/throughput.py ... --output two.json
    python benchmarks/training/throughput.py --compare one.json two.json

Both runs have the same total batch and the same latents, noise and timesteps, so their losses must be equal up to
rounding. Training steps include optimizer and averages; the latents are random and in memory. Small networks are
CPU-bound in eager mode: use `--compile`, or more images per GPU. On a CPU, peak memory is that of the process so far.
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

from dig_bench.files import json_codec
from dig_bench.machine import devices, environment
from dig_bench.run.precision import tf32
from dig_bench.train.data import Source
from dig_bench.train.data.order import Pick
from dig_bench.train.loop import Trainer
from dig_bench.train.models import parse
from dig_bench.train.settings import Settings
from dig_bench.train.start import fresh
from dig_bench.train.watch import memory_mib
from dig_models import CATALOG

WARMUP_REPORTS = 2
"""Reports at the start that do not count."""


class RandomLatents(Source):
    """Random latents in memory."""

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
    """Measures the models, or compares two files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="DiG-S/2,DiT-S/2")
    parser.add_argument("--res", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64, help="images per training step, over all processes")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--report-every", type=int, default=10)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, default=Path("train-throughput.json"))
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
                # Written after each model: a crash or a time limit loses none of them.
                found["rows"].append(row)
                options.output.write_text(json_codec.dumps(found, indent=2))
    if state.is_main_process:
        print(options.output)
    state.destroy_process_group()


def measure(name: str, source: Source, settings: Settings, device: str, report_every: int) -> dict[str, Any]:
    """Measures a model. Its throughput is the median over reports, each of `report_every` steps, after warm-up."""
    model, backend = parse(name, CATALOG, device=device, precision=settings.precision)
    # accelerate leaves the last trainer in a reference cycle: its tensors would count as this model's memory.
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
    """Prints speedup, scaling efficiency and the largest difference of the losses.

    Raises ValueError if the settings differ.
    """
    for key in ("resolution_px", "settings"):
        if one[key] != more[key]:
            raise ValueError(f"{key} differs: {one[key]}, {more[key]}")
    factor = more["processes"] / one["processes"]
    rows = {row["name"]: row for row in one["rows"]}
    for row in more["rows"]:
        if row["name"] not in rows:
            print(f"{row['name']}: missing in one file")
            continue
        other = rows[row["name"]]
        speedup = row["images_per_s"] / other["images_per_s"]
        differences = [abs(a / b - 1) for a, b in zip(row["losses"], other["losses"], strict=True)]
        print(
            f"{row['name']}: {speedup:.2f} times the images/s with {factor:g} times the processes, "
            f"efficiency {speedup / factor:.1%}; losses differ by {max(differences):.1e} at most, "
            f"{differences[0]:.1e} in the first step, over {len(differences)} steps"
        )


if __name__ == "__main__":
    main()
