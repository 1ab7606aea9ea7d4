"""Judges whether two contenders train equally well: their losses and Fréchet distances, seed by seed.

In parity: each of the three quantities is shown to be within its margin, by two one-sided tests at 5 %. All three must
pass (an intersection-union test), so contenders that are at the margin of any of them, or beyond, are in parity with a
probability of at most 5 %, without a correction.

Different: at least one quantity differs from zero by a two-sided test and is not shown to be within its margin. Holm's
procedure over the three tests keeps the family-wise error rate: identical contenders are different with a probability
of at most 5 %.

Inconclusive: anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dig_bench.parity import seeds_needed
from dig_bench.parity.paired import LEVEL, LogRatios, holm
from dig_bench.parity.results import Results

Verdict = Literal["in parity", "different", "inconclusive"]

UNTRAINED_LOSS = 1.0
"""Loss of a network that predicts zero noise: the variance of the noise."""

MARGINS = {"loss": 0.05, "final_loss": 0.05, "distance": 0.3}
"""Largest relative difference that counts as parity, by quantity: B / A from 1 / (1 + margin) to 1 + margin."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Comparison of one quantity, B against A. Differences and margin are relative: 0.05 is B / A = 1.05."""

    quantity: str
    mean_a: float
    mean_b: float
    """Geometric means over the seeds."""
    difference: float
    """mean_b / mean_a - 1."""
    low: float
    high: float
    """90 % interval of the difference, which decides on parity."""
    margin: float
    p_different: float
    """p-value of the two-sided test for a difference, adjusted by Holm's procedure over all quantities."""
    seeds_for_parity: int | None = None
    seeds_for_difference: int | None = None
    """Seeds at which an inconclusive verdict would probably be `in parity`, or `different`; None beyond MAX_SEEDS."""

    @property
    def verdict(self) -> Verdict:
        """Verdict on this quantity. A difference that is shown to be within the margin is parity."""
        if 1 / (1 + self.margin) <= 1 + self.low and self.high <= self.margin:
            return "in parity"
        return "different" if self.p_different <= LEVEL else "inconclusive"

    @property
    def seeds_needed(self) -> int | None:
        """Seeds at which an inconclusive quantity would probably be in parity or different."""
        return _smallest([self.seeds_for_parity, self.seeds_for_difference])


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Comparison of two contenders over the seeds that both have run."""

    a: str
    b: str
    seeds: int
    findings: tuple[Finding, ...]

    @property
    def have_learned(self) -> bool:
        """True if both final losses are below half of UNTRAINED_LOSS. Untrained networks are all alike."""
        final = next(finding for finding in self.findings if finding.quantity == "final_loss")
        return max(final.mean_a, final.mean_b) < UNTRAINED_LOSS / 2

    @property
    def verdict(self) -> Verdict:
        """Worst verdict of the findings; inconclusive for networks that have not learned."""
        verdicts = [finding.verdict for finding in self.findings]
        if "different" in verdicts:
            return "different"
        return "in parity" if self.have_learned and set(verdicts) == {"in parity"} else "inconclusive"

    @property
    def seeds_needed(self) -> int | None:
        """Seeds at which an inconclusive comparison would probably be decided: all findings that lack parity have it,
        or one of them is a difference. None beyond MAX_SEEDS, and if all findings are in parity."""
        lacking = [finding for finding in self.findings if finding.verdict != "in parity"]
        parities = [seeds for finding in lacking if (seeds := finding.seeds_for_parity) is not None]
        parity = max(parities, default=None) if len(parities) == len(lacking) else None
        return _smallest([parity, *(finding.seeds_for_difference for finding in lacking)])


def compare(results: Results, a: str, b: str) -> Comparison:
    """Compares two contenders.

    Raises ValueError if they share fewer than two seeds, since one seed has no spread, and for a loss or a distance
    that is not positive and finite.
    """
    runs = {name: {run.seed: run for run in results.of(name)} for name in (a, b)}
    shared = sorted(runs[a].keys() & runs[b].keys())
    if len(shared) < 2:
        raise ValueError(f"{a} and {b} share {len(shared)} seeds: a verdict needs at least 2")
    sides = [[runs[name][seed] for seed in shared] for name in (a, b)]
    values = {quantity: [[getattr(run, quantity) for run in side] for side in sides] for quantity in MARGINS}
    return Comparison(a=a, b=b, seeds=len(shared), findings=judge(values))


def comparable(results: Results, pairs: Iterable[tuple[str, str]]) -> list[Comparison]:
    """Compares the pairs that share at least two seeds."""
    seeds = {name: {run.seed for run in results.of(name)} for name in results.names}
    return [compare(results, a, b) for a, b in pairs if len(seeds.get(a, set()) & seeds.get(b, set())) > 1]


def against_first(results: Results) -> list[Comparison]:
    """Compares every contender with the first one, where they share at least two seeds."""
    first, *others = results.names
    return comparable(results, [(first, other) for other in others])


def judge(values: Mapping[str, Sequence[Sequence[float]]]) -> tuple[Finding, ...]:
    """Judges the values of A and of B by quantity, seed by seed. Raises ValueError as `LogRatios.of` does."""
    ratios = {quantity: LogRatios.of(*sides) for quantity, sides in values.items()}
    adjusted = holm([found.p_value for found in ratios.values()])
    return tuple(
        _finding(quantity, values[quantity], found, p_different)
        for (quantity, found), p_different in zip(ratios.items(), adjusted, strict=True)
    )


def _finding(quantity: str, sides: Sequence[Sequence[float]], found: LogRatios, p_different: float) -> Finding:
    margin = MARGINS[quantity]
    low, high = map(_relative, found.interval)
    finding = Finding(
        quantity=quantity,
        mean_a=_geometric_mean(sides[0]),
        mean_b=_geometric_mean(sides[1]),
        difference=_relative(found.mean),
        low=low,
        high=high,
        margin=margin,
        p_different=p_different,
    )
    if finding.verdict != "inconclusive":
        return finding
    return replace(
        finding,
        seeds_for_parity=seeds_needed.for_parity(found, margin),
        seeds_for_difference=seeds_needed.for_difference(found, len(MARGINS)),
    )


def _relative(log_ratio: float) -> float:
    """Returns a ratio minus one; infinity beyond the range of floating point."""
    with np.errstate(over="ignore"):
        return float(np.expm1(log_ratio))


def _geometric_mean(values: Sequence[float]) -> float:
    return float(np.exp(np.log(values).mean()))


def _smallest(seeds: Iterable[int | None]) -> int | None:
    return min((number for number in seeds if number is not None), default=None)
