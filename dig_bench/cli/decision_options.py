"""Options that decide a comparison: thresholds, metrics, error rates, calibration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dig_bench.cli import complete

if TYPE_CHECKING:
    from dig_bench.compare.settings import Settings

rule = partial(typer.Option, rich_help_panel="What counts as a change")


@dataclass(frozen=True, kw_only=True)
class DecisionOptions:
    """Settings of a comparison."""

    slower_than: Annotated[
        str | None, rule(metavar="2%", help="threshold of latency: smaller differences count as the same")
    ] = None
    threshold: Annotated[
        list[str] | None,
        rule(
            metavar="RULE",
            help="[CELLS:]METRIC=VALUE. METRIC: latency, memory, first-call, energy, reserved-memory or device-memory. "
            "VALUE: 2%, 64MiB or 1%,32MiB (a change must exceed both). CELLS: a name ('DiG-*') or an expression as in "
            "--only. Repeatable; the last rule that applies to a cell holds",
        ),
    ] = None
    metrics: Annotated[
        str | None,
        rule(
            metavar="LIST",
            autocompletion=complete.metrics,
            help="metrics to compare; default: latency,memory,first-call,energy",
        ),
    ] = None
    confidence: Annotated[float, rule(metavar="SHARE", help="confidence of the intervals")] = 0.95
    false_alarms: Annotated[
        float,
        rule(
            metavar="SHARE",
            help="probability of a false regression in the whole comparison to aim at. Simulated for identical code: "
            "up to 1.9 % with 3 processes a side, up to 0.9 % with 5, none of 400 in turn",
        ),
    ] = 0.01
    calibration: Annotated[
        Path | None,
        rule(
            metavar="FILE",
            help="noise between processes, from dig-bench calibrate; default: results/MACHINE/calibration.json",
        ),
    ] = None
    allow_different_environments: Annotated[
        bool,
        rule("--allow-different-environments", help="compare even if machine, versions or protocol differ"),
    ] = False

    def settings(self) -> Settings:
        """Makes the settings. Raises ValueError, in one line, for values that make no sense."""
        from dig_bench.compare.calibration import Calibration
        from dig_bench.compare.settings import Settings, parse_metrics
        from dig_bench.compare.thresholds import parse_rules
        from dig_bench.results.metrics import DEFAULT_METRICS

        return Settings(
            metrics=parse_metrics(self.metrics) if self.metrics is not None else DEFAULT_METRICS,
            rules=parse_rules(self.slower_than, self.threshold or ()),
            confidence=self.confidence,
            false_alarms=self.false_alarms,
            calibration=Calibration.read(self.calibration) if self.calibration else None,
            allow_different_environments=self.allow_different_environments,
        )
