"""Do two contenders train equally well? Their losses and Fréchet distances, against the spread of their seeds.

Both see the same data and noise for the same seed. That makes their differences smaller than between seeds, and the
test for a difference, which takes no notice of it, a cautious one: it calls equal contenders different less often than
once in twenty. Parity may rest on it: losses of so few steps spread by their noise far more than kernels differ.
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
"""Of a network that says nothing of noise, whose variance is one."""

MARGINS = {"loss": 0.05, "final_loss": 0.05, "distance": 0.3}
"""Shares of the value. Where a difference of this size could hide, seed by seed as well, it is undecided."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Of one quantity, B against A, in shares of A's mean."""

    quantity: str
    mean_a: float
    mean_b: float
    difference: float
    spread: float
    """Half-width of the 95 % interval of a difference between two contenders that differ in their seeds only."""
    paired_spread: float
    """Half-width of the 95 % interval of the difference, from the differences of the seeds one by one."""
    margin: float

    @property
    def verdict(self) -> Verdict:
        if abs(self.difference) > self.spread:
            return "different"
        largest = min(self.spread, abs(self.difference) + self.paired_spread)
        return "in parity" if largest <= self.margin else "undecided"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    a: str
    b: str
    seeds: int
    findings: tuple[Finding, ...]

    @property
    def have_learnt(self) -> bool:
        """Both. Before, all networks are the same."""
        final = next(finding for finding in self.findings if finding.quantity == "final_loss")
        return max(final.mean_a, final.mean_b) < UNTRAINED_LOSS / 2

    @property
    def verdict(self) -> Verdict:
        verdicts = [finding.verdict for finding in self.findings]
        for each in ("different", "undecided"):
            if each in verdicts:
                return each
        return "in parity" if self.have_learnt else "undecided"


def compare(results: Results, a: str, b: str) -> Comparison:
    """ValueError with fewer than two seeds that both have run: one says nothing of their spread."""
    runs = {name: {run.seed: run for run in results.of(name)} for name in (a, b)}
    shared = sorted(runs[a].keys() & runs[b].keys())
    if len(shared) < 2:
        raise ValueError(f"{a} and {b} share {len(shared)} seeds: a verdict needs 2 or more")
    sides = [[runs[name][seed] for seed in shared] for name in (a, b)]
    findings = tuple(_finding(quantity, *sides) for quantity in MARGINS)
    return Comparison(a=a, b=b, seeds=len(shared), findings=findings)


def comparable(results: Results, pairs: Iterable[tuple[str, str]]) -> list[Comparison]:
    """Those of the pairs that share two seeds or more."""
    seeds = {name: {run.seed for run in results.of(name)} for name in results.names}
    return [compare(results, a, b) for a, b in pairs if len(seeds.get(a, set()) & seeds.get(b, set())) > 1]


def against_first(results: Results) -> list[Comparison]:
    """Every contender against the one that was named first, as far as they are comparable."""
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


def _quantile(freedom: int) -> float:
    """Of Student's t, two-sided."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
