"""Two trainings that torchrun runs in two processes: a tiny DiT in FSDP2 shards on CPUs, then `dig-bench train`.

The sharded training stops and resumes. `accelerate` shards on GPUs only: here PyTorch's `fully_shard`, which it calls,
takes its place. The main process prints the losses of the shards as JSON, then what `dig-bench train` prints.

    torchrun --nproc-per-node 2 two_processes.py FOLDER OPTIONS
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from dig_bench.cli import main
from dig_bench.train import data, placement
from dig_bench.train.loop import Trainer
from dig_bench.train.settings import FOR_DIGITS
from dig_bench.train.start import resume_or_fresh

MODEL, BACKEND = "DiT-N/4", "sdpa"
SETTINGS = replace(FOR_DIGITS, batch_size=4, clip=0.05)


def sharded(accelerator: Accelerator, network: Any) -> Any:
    """Takes the place of `placement.prepare`."""
    return fully_shard(network, mesh=init_device_mesh("cpu", (accelerator.num_processes,)))


def losses(folder: Path, precision: str) -> list[float]:
    """Returns the losses of three steps, and of two more from their checkpoint."""
    found: list[float] = []
    source, path = data.find(None, image_size=None), folder / f"{precision}.safetensors"
    for steps in (3, 5):
        settings = replace(SETTINGS, steps=steps, precision=precision)
        start = resume_or_fresh(MODEL, source, settings, backend=BACKEND, path=path)
        trainer = Trainer(start, source, settings, backend=BACKEND, device="cpu")
        if trainer.accelerator.num_processes > 1:
            assert all(isinstance(master, DTensor) for master in trainer.state.masters.values())
        for report in trainer.run(path, report_every=1, save_every=3):
            found += report.losses
    return found


if __name__ == "__main__":
    folder, *options = sys.argv[1:]
    prepare, placement.prepare = placement.prepare, sharded
    shards = Path(folder) / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    found = {precision: losses(shards, precision) for precision in ("fp32", "bf16")}
    placement.prepare = prepare
    if torch.distributed.get_rank() == 0:
        print(json.dumps(found), flush=True)
    # Last, since it ends the process group.
    sys.argv = ["dig-bench", "train", *options, "--out", f"{folder}/train"]
    main()
