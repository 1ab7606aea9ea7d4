"""Coverage of the interval of the median, over simulated timing samples that depend on each other.

    python benchmarks/measure/median_interval.py > results/median-interval.md

Samples are AR(1) series, by lag-1 autocorrelation, of four shapes. With optional stopping, samples are added until the
interval is narrow enough or 1,000 samples are there, as a sweep does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dig_bench.measure.statistics import median_interval, summarise

Array = NDArray[np.float64]

RHOS = (0.0, 0.3, 0.5, 0.7, 0.8)
COUNTS = (6, 12, 16, 24, 32, 50, 100, 200, 300)
SHAPES: dict[str, Callable[[Array, Generator], Array]] = {
    "normal": lambda values, generator: values,
    "skewed (lognormal)": lambda values, generator: np.exp(values) - 1,
    "heavy tails": lambda values, generator: np.sign(values) * (np.exp(np.abs(values)) - 1),
    "normal, 3 % of samples 20 sigma slower": lambda values, generator: (
        values + 20 * (generator.random(values.shape) < 0.03)
    ),
}
LEVEL = 100.0
"""Added to all series, whose standard deviation is 1: timings are positive."""

STOPPED_AT = 0.01
"""Half-width, as a share of the median, at which the simulated sampling stops."""


def series(rho: float, count: int, number: int, generator: Generator) -> Array:
    """Rows of standard AR(1) series [number, count]."""
    noise = generator.standard_normal((number, count + 50))
    values = noise.copy()
    for place in range(1, count + 50):
        values[:, place] = rho * values[:, place - 1] + (1 - rho * rho) ** 0.5 * noise[:, place]
    return values[:, 50:]


def coverage(rho: float, count: int, shape: str, number: int, generator: Generator) -> float:
    """Share of the series whose interval holds the true median."""
    drawn = LEVEL + SHAPES[shape](series(rho, count, number, generator), generator)
    # Outliers move the median a little: the true one is that of many independent samples.
    many = series(0.0, 1000, 400, np.random.default_rng(7))
    true = LEVEL + float(np.median(SHAPES[shape](many, np.random.default_rng(8))))
    covers = 0
    for samples in drawn:
        found = median_interval(samples)
        covers += found is not None and found[0] <= true <= found[1]
    return covers / number


def stopped(rho: float, sd: float, number: int, generator: Generator) -> tuple[float, float]:
    """Coverage, and median number of samples, when the interval decides when to stop."""
    covers, counts = 0, []
    for samples in 1 + sd * series(rho, 1000, number, generator):
        count = 12
        while count < 1000 and (summarise(samples[:count]).half_width or 1.0) > STOPPED_AT:
            count = min(count + 10, 1000)
        found = median_interval(samples[:count])
        covers += found is not None and found[0] <= 1 <= found[1]
        counts.append(count)
    return covers / number, float(np.median(counts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=2000, help="simulated series per value")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    print(
        "# Coverage of the interval of the median\n\n"
        f"Written by `benchmarks/measure/median_interval.py --series {options.series} --seed {options.seed}`. "
        f"Percent of {options.series:,} series whose nominal 95 % interval holds the true median.\n"
    )
    for shape in SHAPES:
        print(f"## {shape.capitalize()}\n\n| autocorrelation | {' | '.join(f'{n} samples' for n in COUNTS)} |")
        print(f"|---|{'---|' * len(COUNTS)}")
        for rho in RHOS:
            shares = [coverage(rho, count, shape, options.series, generator) for count in COUNTS]
            print(f"| {rho:g} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |", flush=True)
        print()
    print(
        f"## With optional stopping\n\nSampling stops when half the interval is {STOPPED_AT:.0%} of the median, "
        "checked every 10 samples from 12 on.\n\n"
        "| autocorrelation | standard deviation | coverage | samples taken (median) |\n|---|---|---|---|"
    )
    for rho in RHOS:
        for sd in (0.005, 0.01, 0.03):
            share, count = stopped(rho, sd, max(options.series // 4, 100), generator)
            print(f"| {rho:g} | {100 * sd:g} % | {100 * share:.1f} | {count:.0f} |", flush=True)


if __name__ == "__main__":
    main()
