"""Judges whether two contenders train equally well: their losses and Fréchet distances, against the spread over seeds.

Both contenders see the same data and noise for the same seed, so their results are correlated. The test for a
difference ignores that and is therefore conservative: equal contenders are called different less than once in twenty.
Parity may use the correlation: over so few training steps, losses vary with the noise far more than between kernels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from dig_bench.parity.results import Results, Run

CONFIDENCE = 0.95

Verdict = Literal["in parity", "different", "undecided"]

UNTRAINED_LOSS = 1.0
"""Loss of a network that predicts zero noise: the variance of the noise."""

MARGINS = {"loss": 0.05, "final_loss": 0.05, "distance": 0.3}
"""Largest relative difference that counts as parity, by quantity."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Comparison of one quantity, B against A. Difference, spreads and margin are relative to A's mean."""

    quantity: str
    mean_a: float
    mean_b: float
    difference: float
    spread: float
    """Half-width of the 95 % interval of the difference between contenders that differ only in their seeds."""
    paired_spread: float
    """Half-width of the 95 % interval of the difference, from the differences seed by seed."""
    margin: float

    @property
    def verdict(self) -> Verdict:
        """Verdict on this quantity."""
        if abs(self.difference) > self.spread:
            return "different"
        largest = min(self.spread, abs(self.difference) + self.paired_spread)
        return "in parity" if largest <= self.margin else "undecided"


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
        """Worst verdict of the findings; undecided for networks that have not learned."""
        verdicts = [finding.verdict for finding in self.findings]
        for each in ("different", "undecided"):
            if each in verdicts:
                return each
        return "in parity" if self.have_learned else "undecided"


def compare(results: Results, a: str, b: str) -> Comparison:
    """Compares two contenders. Raises ValueError if they share fewer than two seeds: one seed has no spread."""
    runs = {name: {run.seed: run for run in results.of(name)} for name in (a, b)}
    shared = sorted(runs[a].keys() & runs[b].keys())
    if len(shared) < 2:
        raise ValueError(f"{a} and {b} share {len(shared)} seeds: a verdict needs at least 2")
    sides = [[runs[name][seed] for seed in shared] for name in (a, b)]
    findings = tuple(_finding(quantity, *sides) for quantity in MARGINS)
    return Comparison(a=a, b=b, seeds=len(shared), findings=findings)


def comparable(results: Results, pairs: Iterable[tuple[str, str]]) -> list[Comparison]:
    """Compares the pairs that share at least two seeds."""
    seeds = {name: {run.seed for run in results.of(name)} for name in results.names}
    return [compare(results, a, b) for a, b in pairs if len(seeds.get(a, set()) & seeds.get(b, set())) > 1]


def against_first(results: Results) -> list[Comparison]:
    """Compares every contender with the first one, where they share at least two seeds."""
    first, *others = results.names
    return comparable(results, [(first, other) for other in others])


def _finding(quantity: str, a: Sequence[Run], b: Sequence[Run]) -> Finding:
    values = np.array([[getattr(run, quantity) for run in side] for side in (a, b)])
    mean_a, mean_b = (float(mean) for mean in values.mean(axis=1))
    seeds = values.shape[1]
    pooled = float(np.sqrt(values.var(axis=1, ddof=1).mean()))
    spread = _quantile(2 * seeds - 2) * pooled * (2 / seeds) ** 0.5
    paired_spread = _quantile(seeds - 1) * float((values[1] - values[0]).std(ddof=1)) * seeds**-0.5
    return Finding(
        quantity=quantity,
        mean_a=mean_a,
        mean_b=mean_b,
        difference=mean_b / mean_a - 1,
        spread=spread / abs(mean_a),
        paired_spread=paired_spread / abs(mean_a),
        margin=MARGINS[quantity],
    )


def _quantile(degrees_of_freedom: int) -> float:
    """Returns the two-sided quantile of Student's t distribution."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees_of_freedom))
