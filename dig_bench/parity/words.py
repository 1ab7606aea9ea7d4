"""What the findings are called, on the terminal and on the page."""

from __future__ import annotations

from math import isnan

from dig_bench.parity.results import Results
from dig_bench.parity.verdict import Comparison, Finding, Verdict
from dig_bench.render.numbers import significant

KINDS: dict[Verdict, str] = {"in parity": "good", "undecided": "warn", "different": "bad"}
"""Of a verdict, the class of the page's style sheet."""

METHOD = (
    "Contenders of the same seed see the same data and noise. A difference beyond the spread, the 95 % interval of one "
    "between contenders that differ in their seeds only, is a difference. One within it is parity where the spread is "
    "below the margin, or where the difference is, together with its own 95 % interval over the seeds one by one; else "
    "it is undecided."
)


def quantity(finding: Finding, metric: str) -> str:
    return {"loss": "loss, all steps", "final_loss": "loss, last fifth", "distance": metric}[finding.quantity]


def share(value: float, *, signed: bool = False) -> str:
    """0.0123 -> `1.2 %`."""
    return f"{100 * value:{'+' if signed else ''}.1f}\N{NO-BREAK SPACE}%"


def rows(comparison: Comparison, metric: str) -> list[tuple[Finding, tuple[str, ...]]]:
    """A row a quantity: its name, both means, difference, both spreads, margin."""
    return [
        (
            finding,
            (
                quantity(finding, metric),
                significant(finding.mean_a, 4),
                significant(finding.mean_b, 4),
                share(finding.difference, signed=True),
                f"±{share(finding.spread)}",
                f"±{share(finding.paired_spread)}",
                share(finding.margin),
            ),
        )
        for finding in comparison.findings
    ]


def headline(comparison: Comparison) -> str:
    """`DiG@fused and DiG@fla are in parity, by 3 seeds`."""
    says = {
        "in parity": "are in parity",
        "different": "are different",
        "undecided": "are not told apart, nor held equal",
    }
    seeds = f"by {comparison.seeds} seeds"
    if comparison.verdict == "undecided" and not comparison.have_learnt:
        seeds += ", and have not learnt anything yet: more --steps"
    return f"{comparison.a} and {comparison.b} {says[comparison.verdict]}, {seeds}"


def contenders(results: Results) -> list[tuple[str, ...]]:
    """A row a contender, means over its seeds: name, seeds, final loss and its descent, loss, distance, images/s of
    training, parameters."""
    table = results.table().groupby("name", sort=False).mean(numeric_only=True)
    return [
        (
            str(name),
            str(len(results.of(str(name)))),
            significant(row["final_loss"], 4),
            "" if isnan(row["final_descent"]) else share(-row["final_descent"], signed=True),
            significant(row["loss"], 4),
            significant(row[results.metric], 3),
            significant(row["train_images_per_s"], 3),
            f"{row['parameters']:,.0f}",
        )
        for name, row in table.iterrows()
    ]


def contender_columns(metric: str) -> tuple[str, ...]:
    losses = ("loss, last fifth", "against the fifth before", "loss, all steps")
    return ("contender", "seeds", *losses, metric, "training images/s", "parameters")
