"""What decides a comparison: thresholds per metric and cells, error rates, and noise that is known beforehand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from dig_bench.cell import Cell, Key
from dig_bench.compare.calibration import Calibration, Noise
from dig_bench.compare.decision import CONFIDENCE
from dig_bench.plan.filter import parse_filter
from dig_bench.results.metrics import DEFAULT_METRICS, METRICS, Threshold, check_metric

FALSE_ALARMS = 0.01


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A threshold of a metric, for the cells that it is meant for."""

    metric: str
    threshold: Threshold
    applies: Callable[[Cell], bool]
    text: str
    """As the user wrote it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """ValueError for values that make no sense."""

    metrics: tuple[str, ...] = DEFAULT_METRICS
    """Names out of METRICS."""
    rules: tuple[Rule, ...] = ()
    """The last one that applies to a cell and metric holds; without one, the metric's own."""
    confidence: float = CONFIDENCE
    """Of the intervals of ratios, two-sided."""
    false_alarms: float = FALSE_ALARMS
    """The probability, at most, with which a comparison without any true change calls any figure slower, whatever the
    number of cells; and likewise faster."""
    calibration: Calibration | None = None
    allow_different_environments: bool = False
    thresholds: Mapping[str, Threshold] = field(
        default_factory=lambda: {name: metric.threshold for name, metric in METRICS.items()}
    )

    def __post_init__(self) -> None:
        for name in self.metrics:
            check_metric(name)
        if not self.metrics:
            raise ValueError("no metric to compare")
        for what, value in (("confidence", self.confidence), ("false alarms", self.false_alarms)):
            if not 0 < value < 1:
                raise ValueError(f"{what} is a share between 0 and 1, not {value}")

    def threshold(self, key: Key, metric: str) -> Threshold:
        for rule in reversed(self.rules):
            if rule.metric == metric and rule.applies(key):
                return rule.threshold
        return self.thresholds[metric]

    def noise(self, key: Key, metric: str) -> Noise | None:
        return self.calibration.noise.get((key, metric)) if self.calibration else None


def parse_metrics(text: str) -> tuple[str, ...]:
    """`latency,memory`. ValueError, with the choices, for an unknown one."""
    return tuple(dict.fromkeys(check_metric(name.strip()) for name in text.split(",")))


def parse_rule(text: str) -> Rule:
    """`latency=5%`, `memory=1%,64MiB` (both have to be exceeded), and for some cells only `DiG-*:latency=5%` (a pattern
    of names, as in --models) or `model=DiG-* and resolution_px<=512: latency=5%` (an expression, as in --only).

    ValueError, saying what is allowed, for anything else.
    """
    where, _, what = text.rpartition(":")
    name, equals, value = (part.strip() for part in what.partition("="))
    if not equals:
        raise ValueError(f"a threshold is written [CELLS:]METRIC=VALUE, as in 'DiG-*:latency=5%', not {text!r}")
    return Rule(
        metric=check_metric(name), threshold=parse_threshold(value, name), applies=_selector(where.strip()), text=text
    )


def parse_threshold(text: str, metric: str) -> Threshold:
    """`2%`, `64MiB` or both, `1%,64MiB`. ValueError for anything else."""
    unit = METRICS[metric].unit
    found: dict[str, float] = {}
    for part in text.split(","):
        match = re.fullmatch(rf"(\d+(?:\.\d+)?)\s*(%|{unit})", part.strip(), re.ASCII)
        kind = match and ("relative" if match[2] == "%" else "absolute")
        if match is None or kind is None or kind in found:
            raise ValueError(f"a threshold of {metric} is such as 2%, 5{unit} or 2%,5{unit}, not {text!r}")
        found[kind] = float(match[1]) / (100 if kind == "relative" else 1)
    return Threshold(**{"relative": 0.0, **found})


def _selector(text: str) -> Callable[[Cell], bool]:
    if not text:
        return lambda cell: True
    if re.search("[=<>]", text):
        try:
            return parse_filter(text)
        except ValueError as error:
            raise ValueError(f"the cells {text!r} of a threshold: {str(error).removeprefix('--only ')}") from None
    return lambda cell: fnmatchcase(cell.name, text) or fnmatchcase(cell.model, text)


def parse_rules(slower_than: str | None, thresholds: Sequence[str]) -> tuple[Rule, ...]:
    """Of the command line: --slower-than is the latency's for all cells, before the others."""
    first = [parse_rule(f"latency={slower_than}")] if slower_than is not None else []
    return (*first, *map(parse_rule, thresholds))
