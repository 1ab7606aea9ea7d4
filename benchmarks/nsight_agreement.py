"""Compares the kernel times of `dig-bench profile` with Nsight Compute. Needs a CUDA GPU and `ncu`.

    python benchmarks/nsight_agreement.py DiG-XL/2@fused --res 2048 --out results/h100-80gb-hbm3/profile

Takes the slowest kernels of the cell's profile in the folder, times them with Nsight Compute in a forward pass of the
same cell, and writes both times to nsight_agreement.csv. Nsight Compute runs each kernel by itself, with unlocked
clocks and warm caches.
"""

import argparse
import csv
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model with its backend: DiG-XL/2@fused")
    parser.add_argument("--res", type=int, default=2048)
    parser.add_argument("--kernels", type=int, default=5)
    parser.add_argument("--launches", type=int, default=20, help="kernel launches to time, per kernel")
    parser.add_argument("--out", type=Path, required=True, help="folder of the profiles")
    options = parser.parse_args()

    if shutil.which("ncu") is None:
        sys.exit("ncu, Nsight Compute, is not on the PATH")
    profiled = costliest(options.out / "kernels.csv", options.model, options.res, options.kernels)
    timed = by_nsight(options.model, options.res, list(profiled["name"]), options.launches * options.kernels)
    table = profiled.merge(timed, on="name", how="left")
    table["nsight_over_profile"] = table["nsight_us"] / table["profile_us"]
    table.insert(0, "model", options.model)
    table.insert(1, "resolution_px", options.res)
    table.to_csv(options.out / "nsight_agreement.csv", index=False, float_format="%.4g")
    print(table.to_string(index=False))


def costliest(path: Path, model: str, resolution_px: int, count: int) -> pd.DataFrame:
    """Returns name, calls and mean us of the slowest kernels of a forward pass, summed over components.

    Raises ValueError when the table has no such profile.
    """
    name, _, backend = model.partition("@")
    table = pd.read_csv(path)
    is_cell = (table["model"] == name) & (table["backend"] == backend) & (table["resolution_px"] == resolution_px)
    found = table[is_cell & (table["mode"] == "forward")].copy()
    if found.empty:
        raise ValueError(f"{path} has no forward profile of {model} at {resolution_px} px")
    found["name"] = found["name"].map(base_name)
    sums = found.groupby("name")[["calls", "total_ms"]].sum().nlargest(count, "total_ms")
    sums["profile_us"] = 1e3 * sums["total_ms"] / sums["calls"]
    return sums.reset_index()[["name", "calls", "profile_us"]]


def by_nsight(model: str, resolution_px: int, names: list[str], launches: int) -> pd.DataFrame:
    """Returns name, mean us and number of launches."""
    command = ["ncu", "--target-processes", "all", "--profile-from-start", "off", "--csv"]
    command += ["--clock-control", "none", "--cache-control", "none", "--metrics", "gpu__time_duration.sum"]
    command += ["--kernel-name", f"regex:^({'|'.join(map(re.escape, names))})$", "--launch-count", str(launches)]
    root = Path(__file__).parents[1]
    command += [sys.executable, str(root / "bench.py"), "profile", model, "--res", str(resolution_px), "--nvtx"]
    done = subprocess.run(command, capture_output=True, text=True)
    _, header, rest = done.stdout.partition('"ID"')
    if not header:
        sys.exit(f"ncu wrote no table (exit code {done.returncode}):\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    lines = header + rest
    rows = [(base_name(row["Kernel Name"]), in_us(row)) for row in csv.DictReader(io.StringIO(lines))]
    table = pd.DataFrame(rows, columns=["name", "nsight_us"]).groupby("name")["nsight_us"].agg(["mean", "size"])
    return table.rename(columns={"mean": "nsight_us", "size": "nsight_launches"}).reset_index()


def in_us(row: dict[str, str]) -> float:
    value = float(row["Metric Value"].replace(",", ""))
    return value / {"ns": 1e3, "us": 1.0, "usecond": 1.0, "nsecond": 1e3, "ms": 1e-3}[row["Metric Unit"]]


def base_name(name: str) -> str:
    """Returns the name without namespaces and arguments, as Nsight Compute gives it."""
    named = name.replace("(anonymous namespace)::", "").replace("<unnamed>::", "")
    before_arguments = re.split(r"[<(]", named)[0]
    return before_arguments.rpartition("::")[2].rpartition(" ")[2].strip()


if __name__ == "__main__":
    main()
