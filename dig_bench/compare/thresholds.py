"""Thresholds as the user writes them: a metric, a value, and the cells that they apply to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dig_bench.cell import Key
from dig_bench.plan.filter import parse_filter
from dig_bench.results.metrics import METRICS, Threshold, check_metric


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A threshold for one metric of some cells."""

    metric: str
    threshold: Threshold
    applies: Callable[[Key], bool]
    """Selects the cells."""
    text: str
    """The rule as the user wrote it."""


def parse_rules(slower_than: str | None, rules: Sequence[str]) -> tuple[Rule, ...]:
    """Parses --slower-than, a threshold for the latency of all cells, and then the others. See `parse_rule`."""
    first = [parse_rule(f"latency={slower_than}")] if slower_than is not None else []
    return (*first, *map(parse_rule, rules))


def parse_rule(text: str) -> Rule:
    """Parses `[CELLS:]METRIC=VALUE`: `latency=5%`, or `memory=1%,64MiB`, which a difference exceeds if it exceeds both.

    CELLS is a pattern of names as in --models, `DiG-*:latency=5%`, or an expression as in --only,
    `model=DiG-* and resolution_px<=512: latency=5%`. Raises ValueError, with what is allowed, for anything else.
    """
    where, _, what = text.rpartition(":")
    name, equals, value = (part.strip() for part in what.partition("="))
    if not equals:
        raise ValueError(f"a threshold is written [CELLS:]METRIC=VALUE, for example 'DiG-*:latency=5%', not {text!r}")
    return Rule(
        metric=check_metric(name), threshold=parse_threshold(value, name), applies=_selector(where.strip()), text=text
    )


def parse_threshold(text: str, metric: str) -> Threshold:
    """Parses `2%`, `64MiB`, or both: `1%,64MiB`. Raises ValueError for anything else."""
    unit = METRICS[metric].unit
    found: dict[str, float] = {}
    for part in text.split(","):
        match = re.fullmatch(rf"(\d+(?:\.\d+)?)\s*(%|{unit})", part.strip(), re.ASCII)
        kind = match and ("relative" if match[2] == "%" else "absolute")
        if match is None or kind is None or kind in found:
            raise ValueError(f"a threshold for {metric} is written 2%, 5{unit} or 2%,5{unit}, not {text!r}")
        found[kind] = float(match[1]) / (100 if kind == "relative" else 1)
    return Threshold(**{"relative": 0.0, **found})


def _selector(text: str) -> Callable[[Key], bool]:
    if not text:
        return lambda cell: True
    if re.search("[=<>]", text):
        try:
            return parse_filter(text)
        except ValueError as error:
            raise ValueError(f"a threshold's cells {text!r}: {str(error).removeprefix('--only ')}") from None
    return lambda cell: fnmatchcase(cell.name, text) or fnmatchcase(cell.model, text)
