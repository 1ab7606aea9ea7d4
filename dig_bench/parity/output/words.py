"""Texts and tables that the page and the terminal share."""

from __future__ import annotations

from math import isnan

from dig_bench.parity.results import Results
from dig_bench.parity.verdict import Comparison, Finding
from dig_bench.render.numbers import percent, significant
from dig_bench.render.text import count

METHOD = (
    "Contenders with the same seed see the same data and noise. Two contenders are different if their means differ by "
    "more than the spread: the 95 % interval of the difference between contenders that differ only in their seeds. "
    "They are in parity if the spread is below the margin, or if the difference plus its paired 95 % interval (seed "
    "by seed) is. Otherwise the result is undecided."
)

FINDING_COLUMNS = ("quantity", "A", "B", "B against A", "spread", "paired spread", "margin", "verdict")


def quantity(finding: Finding, metric: str) -> str:
    """Returns the title of a finding's quantity: `loss, last fifth`."""
    return {"loss": "loss, all steps", "final_loss": "loss, last fifth", "distance": metric}[finding.quantity]


def findings(comparison: Comparison, metric: str) -> list[tuple[Finding, tuple[str, ...]]]:
    """Returns each finding with the texts of its row: all of FINDING_COLUMNS but the verdict."""
    return [
        (
            finding,
            (
                quantity(finding, metric),
                significant(finding.mean_a, 4),
                significant(finding.mean_b, 4),
                percent(finding.difference, digits=1, signed=True),
                f"±{percent(finding.spread, digits=1)}",
                f"±{percent(finding.paired_spread, digits=1)}",
                percent(finding.margin, digits=1),
            ),
        )
        for finding in comparison.findings
    ]


def headline(comparison: Comparison) -> str:
    """Returns the verdict as a sentence: `DiG@fused and DiG@fla are in parity over 3 seeds`."""
    verdicts = {
        "in parity": "are in parity",
        "different": "are different",
        "undecided": "are neither different nor shown equivalent",
    }
    text = f"{comparison.a} and {comparison.b} {verdicts[comparison.verdict]} over {count(comparison.seeds, 'seed')}"
    if comparison.verdict == "undecided" and not comparison.have_learned:
        return f"{text}: the networks have not learned yet, train for more --steps"
    return text


def contender_columns(metric: str) -> tuple[str, ...]:
    """Returns the column titles of `contenders`."""
    losses = ("loss, last fifth", "change from the fifth before", "loss, all steps")
    return ("contender", "seeds", *losses, metric, "training images/s", "parameters")


def contenders(results: Results) -> list[tuple[str, ...]]:
    """Returns one row per contender: means over its seeds, as texts."""
    table = results.table().groupby("name", sort=False).mean(numeric_only=True)
    return [
        (
            str(name),
            str(len(results.of(str(name)))),
            significant(row["final_loss"], 4),
            "" if isnan(row["final_descent"]) else percent(-row["final_descent"], digits=1, signed=True),
            significant(row["loss"], 4),
            significant(row[results.metric], 3),
            significant(row["train_images_per_s"], 3),
            f"{row['parameters']:,.0f}",
        )
        for name, row in table.iterrows()
    ]
