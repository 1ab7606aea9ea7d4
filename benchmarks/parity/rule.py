"""Error rates and power of the verdicts of `dig-bench parity`, over simulated seeds.

    python benchmarks/parity/rule.py > results/parity-rule.md

Each trial is a contest of two contenders, judged by `dig_bench.parity.verdict`. Log values of the three quantities vary
over seeds, independently of each other; the part that both contenders share for a seed is their correlation. Noise is
the standard deviation of one contender over seeds, as a share of the logarithm of 1 + margin.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from dig_bench.parity.verdict import MARGINS, Comparison, judge

Array = NDArray[np.float64]

SEEDS = (3, 5, 10)
NOISES: dict[str, Callable[[Generator, tuple[int, ...]], Array]] = {
    "normal": lambda generator, shape: generator.standard_normal(shape),
    "heavy tails (t, 3 degrees)": lambda generator, shape: generator.standard_t(3, shape) / 3**0.5,
    "skewed (exponential)": lambda generator, shape: generator.exponential(size=shape) - 1,
    "two modes": lambda generator, shape: (
        generator.choice([-1.0, 1.0], shape) + 0.01 * generator.standard_normal(shape)
    ),
}
"""Shapes of the noise, with variance 1."""

CORRELATIONS = (0.0, 0.9)
LEVELS = (0.1, 0.4, 0.7, 1.0, 2.0)
QUIET = 0.01
"""Noise of the quantities that are equal while another is at its margin: the hardest case, for they pass."""

VALUES = {"loss": 0.03, "final_loss": 0.02, "distance": 5.0}
LOG_MARGINS = np.log1p(list(MARGINS.values()))


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two contenders whose quantities differ by known shares of their margins."""

    seeds: int
    noise: str = "normal"
    correlation: float = 0.0
    levels: Sequence[float] = (0.1, 0.1, 0.1)
    """Noise of each quantity, as a share of its margin."""
    effects: Sequence[float] = (0.0, 0.0, 0.0)
    """True log ratio of each quantity, as a share of its margin."""

    def draw(self, trials: int, generator: Generator) -> Array:
        """Values (trials, 3 quantities, 2 sides, seeds)."""
        shape, draw = (trials, len(MARGINS), 2, self.seeds), NOISES[self.noise]
        shared = draw(generator, (*shape[:2], 1, shape[3]))
        noise = self.correlation**0.5 * shared + (1 - self.correlation) ** 0.5 * draw(generator, shape)
        noise *= np.asarray(self.levels)[:, None, None]
        noise[:, :, 1] += np.asarray(self.effects)[:, None]
        values: Array = np.exp(noise * LOG_MARGINS[:, None, None])
        return values * np.array(list(VALUES.values()))[:, None, None]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Shares of the verdicts of all trials, in percent."""

    parity: float
    different: float
    earlier_parity: float
    earlier_different: float


def rates(case: Case, trials: int, generator: Generator) -> Rates:
    """Judges so many contests by the present and by the earlier rule."""
    drawn = case.draw(trials, generator)
    verdicts, earlier = all_judged(drawn), all_judged_earlier(drawn)
    checked = [judged(values).verdict for values in drawn[:CHECKED]]
    assert checked == list(verdicts[:CHECKED]), "the vectorized rule is not that of dig_bench.parity"
    return Rates(
        parity=100 * np.mean(verdicts == "in parity"),
        different=100 * np.mean(verdicts == "different"),
        earlier_parity=100 * np.mean(earlier == "in parity"),
        earlier_different=100 * np.mean(earlier == "different"),
    )


CHECKED = 100
"""Contests of each case that `dig_bench.parity` judges as well, to check the vectorized rule."""


def judged(values: Array) -> Comparison:
    """Judges values (3 quantities, 2 sides, seeds) as `dig-bench parity` judges a contest."""
    findings = judge(dict(zip(MARGINS, values, strict=True)))
    return Comparison(a="A", b="B", seeds=values.shape[2], findings=findings)


def all_judged(values: Array) -> NDArray[np.str_]:
    """Verdicts on values (trials, 3 quantities, 2 sides, seeds) by the rule of `dig_bench.parity.verdict`."""
    ratios = np.log(values[:, :, 1] / values[:, :, 0])
    seeds = ratios.shape[2]
    mean, error = ratios.mean(axis=2), ratios.std(axis=2, ddof=1) / seeds**0.5
    equivalent = np.abs(mean) + stats.t.ppf(0.95, seeds - 1) * error <= LOG_MARGINS
    p = 2 * stats.t.sf(np.abs(mean) / error, seeds - 1)
    # Holm: sorted p-values times the hypotheses left, made monotonic.
    order = np.argsort(p, axis=1)
    adjusted = np.maximum.accumulate(np.take_along_axis(p, order, axis=1) * np.arange(p.shape[1], 0, -1), axis=1)
    rejected = np.empty(p.shape, dtype=bool)
    np.put_along_axis(rejected, order, adjusted <= 0.05, axis=1)
    different = (rejected & ~equivalent).any(axis=1)
    return np.where(different, "different", np.where(equivalent.all(axis=1), "in parity", "inconclusive"))


def all_judged_earlier(values: Array) -> NDArray[np.str_]:
    """The rule up to revision 7a3ffc4: no difference found, and either of two intervals is narrow enough."""
    a, b = values[:, :, 0], values[:, :, 1]
    seeds = a.shape[2]
    scale = seeds**-0.5 / a.mean(axis=2)
    pooled = (a.var(axis=2, ddof=1) + b.var(axis=2, ddof=1)) ** 0.5
    spread = stats.t.ppf(0.975, 2 * seeds - 2) * pooled * scale
    paired = stats.t.ppf(0.975, seeds - 1) * (b - a).std(axis=2, ddof=1) * scale
    difference = np.abs(b.mean(axis=2) / a.mean(axis=2) - 1)
    different = (difference > spread).any(axis=1)
    narrow = (np.minimum(spread, difference + paired) <= list(MARGINS.values())).all(axis=1)
    return np.where(different, "different", np.where(narrow, "in parity", "undecided"))


def table(title: str, text: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a section with a table, row by row."""
    print(f"## {title}\n\n{text}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    print(flush=True)


def at_the_margin(
    quantity: int, noises: Iterable[str], trials: int, generator: Generator
) -> Iterable[Sequence[object]]:
    """Rows: one quantity of B is above A's by exactly its margin, the others are equal."""
    for noise in noises:
        for correlation in CORRELATIONS:
            for level in LEVELS:
                levels, effects = [QUIET] * 3, [0.0] * 3
                levels[quantity], effects[quantity] = level, 1.0
                case = Case(seeds=0, noise=noise, correlation=correlation, levels=levels, effects=effects)
                found = over_seeds(case, trials, generator)
                shares = (share for each in found for share in (each.parity, each.earlier_parity))
                yield noise, correlation, f"{level:g}", *map("{:.1f}".format, shares)


def identical(trials: int, generator: Generator) -> Iterable[Sequence[object]]:
    """Rows: contenders that differ only in their noise."""
    for noise in NOISES:
        for correlation in CORRELATIONS:
            for level in LEVELS:
                case = Case(seeds=0, noise=noise, correlation=correlation, levels=[level] * 3)
                found = over_seeds(case, trials, generator)
                shares = (share for each in found for share in (each.different, each.earlier_different, each.parity))
                yield noise, correlation, f"{level:g}", *map("{:.1f}".format, shares)


def power(trials: int, generator: Generator) -> Iterable[Sequence[object]]:
    """Rows: all three quantities of B are above A's by a share of their margins."""
    for correlation in CORRELATIONS:
        for level in LEVELS:
            for effect in (0.0, 0.5, 1.0, 2.0, 4.0):
                case = Case(seeds=0, correlation=correlation, levels=[level] * 3, effects=[effect] * 3)
                found = over_seeds(case, trials, generator)
                shares = (share for each in found for share in (each.parity, each.different))
                yield correlation, f"{level:g}", f"{effect:g}", *map("{:.1f}".format, shares)


def over_seeds(case: Case, trials: int, generator: Generator) -> list[Rates]:
    """Rates with each number of seeds."""
    return [rates(replace(case, seeds=seeds), trials, generator) for seeds in SEEDS]


def more_seeds(trials: int, generator: Generator) -> Iterable[Sequence[object]]:
    """Rows: inconclusive contests of three seeds, judged again with as many seeds as the page says."""
    for level in (0.2, 0.3, 0.5):
        for effect in (0.0, 0.5, 2.0):
            case = Case(seeds=MOST_SEEDS, levels=[level] * 3, effects=[effect] * 3)
            looks = [two_looks(values) for values in case.draw(trials, generator)]
            again = [look for look in looks if look.again]
            yield (
                *(f"{level:g}", f"{effect:g}", f"{100 * len(again) / trials:.0f}"),
                f"{np.median([look.seeds for look in again]):.0f}" if again else "",
                f"{100 * np.mean([look.verdict != 'inconclusive' for look in again]):.0f}" if again else "",
            )


def two_looks_errors(trials: int, generator: Generator) -> Iterable[Sequence[object]]:
    """Rows: errors of contests that stop with three seeds if those decide, and otherwise with as many as named."""
    for correlation in CORRELATIONS:
        for level in (0.1, 0.2, 0.4, 0.7):
            margin = Case(
                seeds=MOST_SEEDS,
                correlation=correlation,
                levels=(level, QUIET, QUIET),
                effects=(1.0, 0.0, 0.0),
            )
            same = Case(seeds=MOST_SEEDS, correlation=correlation, levels=[level] * 3)
            wrong = [
                100 * np.mean([two_looks(values).verdict == verdict for values in case.draw(trials, generator)])
                for case, verdict in ((margin, "in parity"), (same, "different"))
            ]
            yield correlation, f"{level:g}", *map("{:.1f}".format, wrong)


MOST_SEEDS = 60


@dataclass(frozen=True, kw_only=True)
class Look:
    """Last verdict, its number of seeds, and whether it was the second one."""

    verdict: str
    seeds: int
    again: bool


def two_looks(values: Array) -> Look:
    """Judges with the first three seeds and, if that is inconclusive, with as many as it names."""
    first = judged(values[:, :, :3])
    if first.verdict != "inconclusive":
        return Look(verdict=first.verdict, seeds=3, again=False)
    seeds = min(first.seeds_needed or MOST_SEEDS, MOST_SEEDS)
    return Look(verdict=judged(values[:, :, :seeds]).verdict, seeds=seeds, again=True)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000, help="simulated contests per value")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    trials = options.trials
    error = 196 * (0.05 * 0.95 / trials) ** 0.5
    case = ("noise", "correlation", "noise / margin")
    print(
        "# Error rates of `dig-bench parity`\n\n"
        f"Written by `benchmarks/parity/rule.py --trials {trials} --seed {options.seed}`: {trials:,} simulated "
        f"contests per value, shares of them in percent; a true 5 % reads as {5 - error:.1f} to {5 + error:.1f}. Noise "
        "/ margin is the standard deviation of a contender's log values over seeds, divided by log(1 + margin); "
        "correlation is that of two contenders with the same seed. The noises of the three quantities are independent. "
        "Before: the rule up to revision 7a3ffc4.\n"
    )
    pairs = [f"{seeds} seeds{kind}" for seeds in SEEDS for kind in ("", " (before)")]
    for quantity, name, noises in ((0, "loss", tuple(NOISES)), (2, "distance", ("normal",))):
        table(
            f"In parity, although the {name} of B is {MARGINS[name]:.0%} above A's: exactly the margin",
            "The other two quantities are equal and nearly free of noise. Promised: at most 5.",
            [*case, *pairs],
            at_the_margin(quantity, noises, trials, generator),
        )
    table(
        "Identical contenders",
        "Called different, promised at most 5; by the rule before this one; called in parity.",
        [*case, *(f"{seeds} seeds{kind}" for seeds in SEEDS for kind in (": different", " (before)", ": in parity"))],
        identical(trials, generator),
    )
    table(
        "Power",
        "All three quantities of B are above A's by so many margins (on the scale of logarithms), normal noise. The "
        "rest is inconclusive.",
        [
            *("correlation", "noise / margin", "difference / margin"),
            *(f"{seeds} seeds: {kind}" for seeds in SEEDS for kind in ("in parity", "different")),
        ],
        power(trials, generator),
    )
    table(
        "Seeds that would decide",
        "Contests of three seeds that are inconclusive, judged again with the number of seeds that the page names, but "
        f"at most {MOST_SEEDS}. Normal noise, uncorrelated contenders. The number rests on three seeds.",
        [
            *("noise / margin", "difference / margin", "inconclusive with 3 seeds, %"),
            *("seeds named (median)", "then decided, %"),
        ],
        more_seeds(min(trials, 1000), generator),
    )
    table(
        "Errors of two looks",
        "Judging three seeds and, where they are inconclusive, as many as the page names gives two chances to err. "
        "Normal noise; the loss at its margin and the others equal; identical contenders.",
        ["correlation", "noise / margin", "at the margin: in parity", "identical: different"],
        two_looks_errors(min(trials, 2000), generator),
    )


if __name__ == "__main__":
    main()
