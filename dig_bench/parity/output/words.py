"""Texts and tables that the page and the terminal share."""

from __future__ import annotations

from math import isnan

from dig_bench.parity.results import Results
from dig_bench.parity.seeds_needed import MAX_SEEDS
from dig_bench.parity.verdict import Comparison, Finding
from dig_bench.render.numbers import percent, significant
from dig_bench.render.text import count

METHOD = (
    "Contenders with the same seed see the same data and noise, so each test uses the log ratios of B to A, seed by "
    "seed. Two contenders are in parity if two one-sided tests at 5 % show each of the three quantities to be within "
    "its margin: its 90 % interval lies within. They are different if a two-sided test finds a difference in a "
    "quantity that is not shown to be within its margin, at 5 % over the three tests together (Holm). Otherwise the "
    "result is inconclusive."
)

FINDING_COLUMNS = (
    *("quantity", "A", "B", "B against A", "90 % interval", "margin", "p (Holm)"),
    *("seeds to decide", "verdict"),
)


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
                _range(finding.low, finding.high),
                _range(1 / (1 + finding.margin) - 1, finding.margin),
                "< 0.001" if finding.p_different < 0.001 else f"{finding.p_different:.3f}",
                "" if finding.verdict != "inconclusive" else _seeds(finding.seeds_needed),
            ),
        )
        for finding in comparison.findings
    ]


def headline(comparison: Comparison) -> str:
    """Returns the verdict as a sentence: `DiG@fused and DiG@fla are in parity over 3 seeds`."""
    pair, over = f"{comparison.a} and {comparison.b}", f"over {count(comparison.seeds, 'seed')}"
    if comparison.verdict != "inconclusive":
        return f"{pair} are {comparison.verdict} {over}"
    if not comparison.have_learned:
        return f"{pair}: inconclusive {over}, the networks have not learned yet: train for more --steps"
    needed = _seeds(comparison.seeds_needed)
    return f"{pair}: inconclusive {over}, neither different nor shown equivalent; {needed} seeds would probably decide"


def _range(low: float, high: float) -> str:
    return f"{percent(low, digits=1, signed=True)} to {percent(high, digits=1, signed=True)}"


def _seeds(number: int | None) -> str:
    return f"more than {MAX_SEEDS:,}" if number is None else f"about {number}"


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
