"""Measures whether two measurements of the same cells agree within their intervals, on the machine at hand.

    python benchmarks/measure/repeatability.py --out FOLDER --pass first
    python benchmarks/measure/repeatability.py --out FOLDER --pass second
    python benchmarks/measure/repeatability.py --out FOLDER > results/h200/repeatability.md

A pass measures twenty cells in three fresh processes each, as `dig-bench sweep` does, into FOLDER/first or
FOLDER/second. Without `--pass`, the program prints how many ratios of the two passes have an interval that holds 1, how
often the two halves of a run differ by more than the interval says, and how far energy is from power times latency.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from dig_bench.cell import Row
from dig_bench.compare.comparison import compare
from dig_bench.compare.evidence import read_evidence
from dig_bench.compare.settings import Settings
from dig_bench.measure.statistics import median_interval
from dig_bench.results.read import read_row_list, read_samples

CELLS = {
    "cuda": [
        "--models",
        "DiG-S/2@fused,DiT-S/2@fused,DiG-XL/2@fused,DiT-S/2@math",
        "--res",
        "256,512,768,1024,1536",
        "--precision",
        "bf16",
        "--execution",
        "graph",
        "--max-seconds",
        "1.5",
        "--warmup-seconds",
        "3",
    ],
    "cpu": ["--models", "DiG-S/8@chunked,DiT-S/8@sdpa", "--res", "64,128", "--max-seconds", "0.5"],
}
PROCESSES = 3
CONSISTENT = 0.03


def measure(folder: Path, device: str) -> None:
    """Sweeps the cells of the device type into the folder."""
    command = [sys.executable, "-m", "dig_bench", "sweep", "--device", device, "--processes", str(PROCESSES)]
    subprocess.run([*command, *CELLS[device], "--out", str(folder)], check=False)


def summary(first: Path, second: Path) -> Iterator[str]:
    """Lines of Markdown."""
    comparison = compare(read_evidence(first), read_evidence(second), Settings(metrics=("latency",)))
    decided = [(cell.key, cell.findings[0].decision) for cell in comparison.cells if cell.findings]
    agree = [key for key, found in decided if found and found.ratio_low <= 1 <= found.ratio_high]
    yield f"- {len(agree)} of {len(decided)} cells agree: the 95 % interval of the ratio of the two passes holds 1."
    rows = [row for folder in (first, second) for row in read_row_list(folder)]
    off = [abs(row.energy_consistency - 1) for row in rows if row.energy_consistency is not None]
    if off:
        near = sum(each <= CONSISTENT for each in off)
        yield f"- Energy is within {CONSISTENT:.0%} of power times latency in {near} of {len(off)} rows."
    apart, shuffled = (halves_apart((first, second), shuffle=shuffle) for shuffle in (False, True))
    yield f"- The medians of the two halves of a run are apart by more than the half-width in {apart:.0%} of rows,"
    yield f"  and in {shuffled:.0%} of the same samples shuffled."
    duty = [row.device_duty for row in rows if row.device_duty is not None]
    if duty:
        yield f"- The device is busy for {min(duty):.1%} of the timing pass or more."
    yield from ("", "| cell | first, ms | second, ms | ratio | status |", "|---|---|---|---|---|")
    for key, found in decided:
        times = [_median(rows, key.label(), folder) for folder, rows in _by_folder(first, second)]
        ratio = f"{found.ratio:.4f} ({found.ratio_low:.4f} to {found.ratio_high:.4f})" if found else "-"
        states = sorted({row.status for row in rows if row.cell.without("process") == key})
        yield f"| {key.label()} | {times[0]:.4g} | {times[1]:.4g} | {ratio} | {', '.join(states)} |"


def halves_apart(folders: Iterable[Path], *, shuffle: bool) -> float:
    """Share of the rows whose two halves have medians that differ by more than half the interval of the whole."""
    generator, found = np.random.default_rng(0), []
    for folder in folders:
        for samples in read_samples(folder).values():
            values = np.array(samples["latency_ms"])
            values = generator.permutation(values) if shuffle else values
            interval, middle = median_interval(values), len(values) // 2
            if interval is not None and middle > 5:
                difference = abs(np.median(values[:middle]) - np.median(values[middle:]))
                found.append(difference > max(interval[1] - np.median(values), np.median(values) - interval[0]))
    return float(np.mean(found)) if found else 0.0


def _by_folder(*folders: Path) -> Iterator[tuple[Path, list[Row]]]:
    for folder in folders:
        yield folder, read_row_list(folder)


def _median(rows: Iterable[Row], label: str, folder: Path) -> float:
    values = [row.latency_ms_median for row in rows if row.cell.without("process").label() == label]
    known = [value for value in values if value is not None]
    assert known, f"{folder} has no latency of {label}"
    return float(np.median(known))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pass", choices=("first", "second"), dest="which")
    parser.add_argument("--device", choices=tuple(CELLS), default="cuda")
    options = parser.parse_args()
    if options.which:
        measure(options.out / options.which, options.device)
        return
    first, second = (options.out / name for name in ("first", "second"))
    device = read_row_list(first)[0].device_name
    print(
        f"# Do two measurements agree?\n\nWritten by `benchmarks/measure/repeatability.py`: {device}, {PROCESSES} fresh"
    )
    print("processes a cell and pass.\n")
    print("\n".join(summary(first, second)))


if __name__ == "__main__":
    main()
