"""Calibrates a machine: how much processes of the same code differ there, and which changes a comparison can detect."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dig_bench.cell import Row
from dig_bench.compare.calibration import Calibration
from dig_bench.compare.comparison import Comparison, compare
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.recommendation import Recommendation, recommend
from dig_bench.compare.settings import Settings
from dig_bench.compare.spread import CALIBRATION_PROCESSES, Spread, spreads
from dig_bench.results.metrics import METRICS

PROCESSES = 10
"""Processes of a calibration by default."""


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Findings of a calibration."""

    spreads: tuple[Spread, ...]
    left_out: tuple[str, ...]
    """Cells that could not be calibrated, with the reason."""
    against_itself: Comparison
    """Comparison of one half of the processes with the other half."""
    recommendation: Recommendation | None
    """None without any latency."""
    settings: Settings

    def calibration(self, evidence: Evidence) -> Calibration:
        """Returns the calibration for `compare`. Repeatable metrics need none."""
        assert evidence.manifest is not None
        noise = {
            (spread.key, spread.metric): spread.noise
            for spread in self.spreads
            if not METRICS[spread.metric].repeatable
        }
        recommended = self.recommendation
        return Calibration(
            machine=evidence.manifest["environment"],
            noise=noise,
            processes=recommended.processes if recommended else None,
            max_processes=recommended.max_processes if recommended else None,
        )


def check_processes(processes: int) -> None:
    """Raises ValueError for fewer processes than a calibration needs."""
    if processes < CALIBRATION_PROCESSES:
        raise ValueError(f"--processes takes a whole number from {CALIBRATION_PROCESSES}, not {processes}")


def calibrate(evidence: Evidence, settings: Settings, *, change: float = 0.05) -> Calibrated:
    """Calibrates the machine that these processes ran on. `change` is the slow-down to detect, as a share.

    Raises ValueError when no cell has enough processes.
    """
    found = tuple(spreads(evidence, settings))
    if not found:
        raise ValueError(f"{evidence.source}: no cell was measured in {CALIBRATION_PROCESSES} processes")
    calibrated = {spread.key for spread in found}
    return Calibrated(
        spreads=found,
        left_out=tuple(f"{key}: {evidence.status(key)}" for key in evidence.rows if key not in calibrated),
        against_itself=compare(*halves(evidence), replace(settings, calibration=None)),
        recommendation=recommend([spread for spread in found if spread.metric == "latency"], settings, change),
        settings=settings,
    )


def halves(evidence: Evidence) -> tuple[Evidence, Evidence]:
    """Deals out the processes of each cell to two sides in the order A B B A, numbered from 1 on each side."""
    sides: tuple[list[Row], list[Row]] = ([], [])
    for rows in evidence.rows.values():
        for place, row in enumerate(rows[: len(rows) // 2 * 2]):
            side = sides[place % 4 in (1, 2)]
            side.append(replace(row, process=place // 2 + 1))
    manifest = evidence.manifest and {
        **evidence.manifest,
        # The halves number their processes themselves.
        "spec": {name: value for name, value in evidence.manifest["spec"].items() if name != "process"},
    }
    one, other = (
        Evidence.of(side, source=f"{evidence.source}, {name} half", manifest=manifest)
        for name, side in zip(("one", "other"), sides, strict=True)
    )
    return one, other
