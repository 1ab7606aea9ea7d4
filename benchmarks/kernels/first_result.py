"""Measures the time to the first result on a bare machine, in the next process, and at another resolution.

    python benchmarks/kernels/first_result.py --output results/h100-80gb-hbm3/kernels/first_result.csv
    python benchmarks/kernels/first_result.py --models DiG-S/2@fla --output first_result.csv      autotuning: minutes

Each value comes from a separate process. It is the time of the first call of the network, as in a sweep, without the
start of Python and the construction of the network. Compiled kernels go to a folder that is empty before the first
process of a model and mode.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import pandas as pd
import torch

from dig_bench.measure.latency import first_call_s
from dig_bench.run.step import Inputs, forward_step, training_step
from dig_models import build

CACHES = ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="DiG-S/2@fused,DiG-XL/2@fused,DiT-XL/2@fused")
    parser.add_argument(
        "--res",
        default="1024,2048",
        help="the first one twice, on a bare machine and in the next process; then the others",
    )
    parser.add_argument("--modes", default="forward,train")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--output", type=Path, default=Path("first_result.csv"))
    parser.add_argument("--one", nargs=3, metavar=("MODEL", "PX", "MODE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        model, px, mode = options.one
        print(first_s(model, int(px), mode, options.device))
        return
    resolutions = [int(px) for px in options.res.split(",")]
    rows = []
    for model in options.models.split(","):
        for mode in options.modes.split(","):
            with tempfile.TemporaryDirectory() as kept:
                occasions = [("bare machine", resolutions[0]), ("next process", resolutions[0])]
                occasions += [("another resolution", px) for px in resolutions[1:]]
                for occasion, px in occasions:
                    first_call, process = measured(model, px, mode, options.device, kept)
                    rows.append({"model": model, "mode": mode, "resolution_px": px, "occasion": occasion})
                    rows[-1] |= {"first_call_s": first_call, "process_s": process}
                    print(model, mode, f"{px} px, {occasion}: {first_call:.3g} s of {process:.3g} s", flush=True)
                    pd.DataFrame(rows).to_csv(options.output, index=False, float_format="%.3g")


def measured(model: str, px: int, mode: str, device: str, kept: str) -> tuple[float, float]:
    """Returns the seconds of the first call, and of the whole process. Raises CalledProcessError if it fails."""
    command = [sys.executable, __file__, "--device", device, "--one", model, str(px), mode]
    begin = perf_counter()
    ran = subprocess.run(command, env=os.environ | dict.fromkeys(CACHES, kept), stdout=subprocess.PIPE, check=True)
    return float(ran.stdout), perf_counter() - begin


def first_s(model: str, px: int, mode: str, device: str) -> float:
    name, _, backend = model.partition("@")
    network = build(name, image_size=px, backend=backend, precision="bf16", device=device)
    inputs = Inputs.random(network, 1)
    step = training_step(network, network, inputs) if mode == "train" else forward_step(network, inputs)
    if device == "cuda":
        torch.cuda.synchronize()
    return first_call_s(step, device)


if __name__ == "__main__":
    main()
