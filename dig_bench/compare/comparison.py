"""The comparison of two sides: every cell's verdict, and the exit code that follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

from dig_bench.cell import Key
from dig_bench.compare import conditions
from dig_bench.compare.cell_comparison import CellComparison, compare_cell
from dig_bench.compare.conditions import Difference
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.findings import find
from dig_bench.compare.settings import Settings


class ExitCode(IntEnum):
    FINE = 0
    REGRESSION = 1
    USAGE = 2
    UNDECIDED = 3
    ENVIRONMENTS_DIFFER = 4
    NOTHING_MEASURED = 5


@dataclass(frozen=True, kw_only=True)
class Comparison:
    base: Evidence
    candidate: Evidence
    settings: Settings
    differences: tuple[Difference, ...]
    """Differences between the sides' conditions."""
    warnings: tuple[str, ...]
    cells: tuple[CellComparison, ...]
    """The base's cells in their order, then the new ones. Empty when the comparison was refused."""

    @property
    def refused(self) -> bool:
        """True if the conditions differ although the settings do not allow that."""
        return bool(self.differences) and not self.settings.allow_different_environments

    @property
    def regressions(self) -> tuple[CellComparison, ...]:
        return self._with_verdict("slower")

    @property
    def undecided(self) -> tuple[CellComparison, ...]:
        return self._with_verdict("undecided")

    @property
    def improvements(self) -> tuple[CellComparison, ...]:
        return self._with_verdict("faster")

    @property
    def new(self) -> tuple[CellComparison, ...]:
        return tuple(cell for cell in self.cells if cell.state in ("new", "fixed"))

    @property
    def suspects(self) -> tuple[Key, ...]:
        """Cells to confirm with fresh processes: regressions, and cells that would be one if they were alone."""
        return tuple(cell.key for cell in self.cells if cell.suspected)

    @property
    def exit_code(self) -> ExitCode:
        if self.refused:
            return ExitCode.ENVIRONMENTS_DIFFER
        if self.regressions:
            return ExitCode.REGRESSION
        if not any(cell.findings for cell in self.cells):
            return ExitCode.NOTHING_MEASURED
        return ExitCode.UNDECIDED if self.undecided else ExitCode.FINE

    def confirmed_by(self, fresh: Comparison) -> Comparison:
        """Returns the comparison after fresh processes measured the suspects: only they decide about a suspect.

        The processes that raised a suspicion are no evidence for it, since they were selected for being slow. A failure
        that does not occur again leaves its cell undecided.
        """
        again = {cell.key: cell for cell in fresh.cells}
        suspects = set(self.suspects)
        return replace(
            self,
            cells=tuple(
                cell.confirmed_by(again[cell.key]) if cell.key in suspects and cell.key in again else cell
                for cell in self.cells
            ),
            warnings=tuple(dict.fromkeys((*self.warnings, *fresh.warnings))),
        )

    def _with_verdict(self, verdict: str) -> tuple[CellComparison, ...]:
        return tuple(cell for cell in self.cells if cell.verdict == verdict)


def compare(base: Evidence, candidate: Evidence, settings: Settings) -> Comparison:
    """Compares two sides. Refuses, without cells, when the conditions differ and the settings do not allow that.

    Ignores a calibration of another machine, with a warning.
    """
    foreign = tuple(_foreign_calibration(base, settings))
    if foreign:
        settings = replace(settings, calibration=None)
    comparison = Comparison(
        base=base,
        candidate=candidate,
        settings=settings,
        differences=conditions.differences(base, candidate),
        warnings=(*conditions.warnings(base, candidate), *foreign, *_idle_rules(base, candidate, settings)),
        cells=(),
    )
    if comparison.refused:
        return comparison
    keys = [*base.rows, *(key for key in candidate.rows if key not in base.rows)]
    cells = [compare_cell(key, base, candidate) for key in keys]
    measured = [cell.key for cell in cells if cell.state in ("compared", "unstable")]
    found = find(measured, base, candidate, settings)
    return replace(comparison, cells=tuple(replace(cell, findings=tuple(found.get(cell.key, ()))) for cell in cells))


def _foreign_calibration(base: Evidence, settings: Settings) -> Iterator[str]:
    """Yields a sentence if the calibration is not valid for these results."""
    if settings.calibration is None:
        return
    if base.manifest is None:
        yield "The calibration is ignored: without a manifest.json, the machine of the results is unknown."
        return
    if unequal := list(settings.calibration.foreign(base.manifest["environment"])):
        yield f"The calibration is ignored: it is for another machine ({', '.join(unequal)})."


def _idle_rules(base: Evidence, candidate: Evidence, settings: Settings) -> Iterator[str]:
    """Yields a sentence for each threshold that applies to no cell, since a mistyped name would go unnoticed."""
    for rule in settings.rules:
        if not any(rule.applies(key) for key in (*base.rows, *candidate.rows)):
            yield f"The threshold {rule.text} applies to no cell."
