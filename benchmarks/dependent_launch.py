"""What programmatic dependent launch gains: whole networks with it and without, turn by turn, on one GPU.

    python benchmarks/dependent_launch.py --out results/h100-80gb-hbm3/kernels/dependent_launch.csv

Replayed CUDA graphs, bf16, as sweeps time them. Each network is measured A B B A; a figure is the median of its turns.
"""

import argparse
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import torch

from dig_bench import gate
from dig_bench.execution import Inputs, Step, capture, forward_step, training_step
from dig_bench.measure import latency
from dig_bench.measure.statistics import summarise
from dig_models import build
from dig_models.kernels import dependent_launch

CASES = (
    ("DiG-XL/2", 2048, "forward", 1),
    ("DiG-XL/2", 1024, "forward", 1),
    ("DiG-S/2", 256, "forward", 64),
    ("DiT-S/2", 256, "forward", 64),
    ("DiG-S/2", 256, "forward", 1),
    ("DiT-S/2", 256, "forward", 1),
    ("DiG-S/2", 1792, "train", 1),
    ("DiG-XL/2", 1024, "train", 1),
    ("DiT-XL/2", 1024, "forward", 1),
)
TIMING: dict[str, Any] = {
    "min_samples": 20,
    "max_samples": 500,
    "min_seconds": 0.3,
    "max_seconds": 2.0,
    "target_half_width": 0.002,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for name, px, mode, batch_size in CASES:
        torch.manual_seed(0)
        model = build(name, image_size=px, backend="fused", precision="bf16", device="cuda")
        gate.move(model, 0.04)
        inputs = Inputs.random(model, batch_size)
        graphs = {}
        for is_dependent in (True, False):
            step = training_step(model, model, inputs) if mode == "train" else forward_step(model, inputs)
            with nullcontext() if is_dependent else dependent_launch.never():
                graphs[is_dependent] = capture(step)
        found: dict[bool, list[float]] = {True: [], False: []}
        for is_dependent in (True, False, False, True):
            found[is_dependent].append(median_ms(graphs[is_dependent]))
        with_ms, without_ms = median(found[True]), median(found[False])
        row = {"model": name, "resolution_px": px, "mode": mode, "batch_size": batch_size}
        rows.append(row | {"without_ms": without_ms, "with_ms": with_ms, "gain_ms": without_ms - with_ms})
        print(*rows[-1].values(), found, flush=True)
        pd.DataFrame(rows).to_csv(options.out, index=False, float_format="%.4g")
        del graphs, step, model
        torch.cuda.empty_cache()


def median_ms(graph: Step) -> float:
    timer = latency.timer_for("cuda", flush_l2=False)
    parts = list(graph.parts.values())
    latency.warm_up(parts, timer, agreement=0.01, max_rounds=200, max_seconds=1.0)
    return summarise(latency.sample(parts, timer, **TIMING).total_ms).median


if __name__ == "__main__":
    main()
