"""The comparison of two sides: a verdict for every figure of every cell, and what follows for the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

from dig_bench.cell import Key, Row
from dig_bench.compare import conditions
from dig_bench.compare.conditions import Difference
from dig_bench.compare.decision import Verdict
from dig_bench.compare.evidence import Evidence, is_measured
from dig_bench.compare.findings import Finding, find
from dig_bench.compare.settings import Settings

State = Literal["compared", "failed", "missing", "unstable", "new", "fixed", "not measured"]
"""Of a cell. `compared`: measured on both sides. `failed`: the base measured it, the candidate did not. `missing`: the
candidate lacks rows of it. `unstable`: processes failed on both sides, or failed once and not again. `new`: the base has
no row. `fixed`: it failed in the base. `not measured`: it failed, or cannot run, on both sides."""


class ExitCode(IntEnum):
    FINE = 0
    REGRESSION = 1
    USAGE = 2
    UNDECIDED = 3
    ENVIRONMENTS_DIFFER = 4
    NOTHING_MEASURED = 5


@dataclass(frozen=True, kw_only=True)
class CellComparison:
    key: Key
    state: State
    base_status: str
    candidate_status: str
    detail: str
    """Why the state is not `compared`."""
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict | None:
        """The worst of its findings; `slower` for a failed or missing cell; None where there is nothing to compare."""
        if self.state in ("failed", "missing"):
            return "slower"
        verdicts = {finding.verdict for finding in self.findings}
        if "slower" not in verdicts and self.state == "unstable":
            return "undecided"
        order: tuple[Verdict, ...] = ("slower", "undecided", "faster", "same")
        return next((verdict for verdict in order if verdict in verdicts), None)

    @property
    def suspected(self) -> bool:
        return self.state in ("failed", "missing") or any(finding.suspected for finding in self.findings)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    base: Evidence
    candidate: Evidence
    settings: Settings
    differences: tuple[Difference, ...]
    """Of the conditions."""
    warnings: tuple[str, ...]
    cells: tuple[CellComparison, ...]
    """The base's in its order, then the new ones; none when the comparison was refused."""

    @property
    def refused(self) -> bool:
        return bool(self.differences) and not self.settings.allow_different_environments

    @property
    def regressions(self) -> tuple[CellComparison, ...]:
        return self._of("slower")

    @property
    def undecided(self) -> tuple[CellComparison, ...]:
        return self._of("undecided")

    @property
    def improvements(self) -> tuple[CellComparison, ...]:
        return self._of("faster")

    @property
    def new(self) -> tuple[CellComparison, ...]:
        return tuple(cell for cell in self.cells if cell.state in ("new", "fixed"))

    @property
    def suspects(self) -> tuple[Key, ...]:
        """Cells to confirm by fresh processes: regressions, and those that would be one if they were alone."""
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
        """What holds after the suspects were launched anew: of them, only what the fresh processes say.

        The processes that raised a suspicion are no evidence for it: they were picked for being high. A failure that
        does not come again leaves its cell undecided.
        """
        again = {cell.key: cell for cell in fresh.cells}
        suspects = set(self.suspects)
        return replace(
            self,
            cells=tuple(
                _confirm(cell, again[cell.key]) if cell.key in suspects and cell.key in again else cell
                for cell in self.cells
            ),
            warnings=tuple(dict.fromkeys((*self.warnings, *fresh.warnings))),
        )

    def _of(self, verdict: Verdict) -> tuple[CellComparison, ...]:
        return tuple(cell for cell in self.cells if cell.verdict == verdict)


def compare(base: Evidence, candidate: Evidence, settings: Settings) -> Comparison:
    """Refuses, with no cells, when the conditions differ and the settings do not allow that. A calibration of another
    machine is left out, with a warning."""
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
    cells = [_compare_cell(key, base, candidate) for key in keys]
    measured = [cell.key for cell in cells if cell.state in ("compared", "unstable")]
    found = find(measured, base, candidate, settings)
    return replace(comparison, cells=tuple(replace(cell, findings=tuple(found.get(cell.key, ()))) for cell in cells))


def _compare_cell(key: Key, base: Evidence, candidate: Evidence) -> CellComparison:
    before, after = base.rows.get(key, ()), candidate.rows.get(key, ())
    # A process that the candidate has for other cells, and the base for this one, belongs here.
    lost = sorted({row.process for row in before} & candidate.numbers - {row.process for row in after})
    failures = [row for row in after if not is_measured(row)]
    state = _state(before, after, failures, lost)
    detail = ""
    if state == "missing":
        detail = f"no row of process {', '.join(map(str, lost))}" if after and lost else "no row in the candidate"
    elif state in ("failed", "unstable", "not measured") and failures:
        count = f"{len(failures)} of {len(after)} processes: " if len(after) > 1 else ""
        why = failures[0].detail or ("no latency" if failures[0].measured else "")
        detail = f"{count}{failures[0].status}{': ' if why else ''}{why}"
    elif state == "fixed":
        detail = f"{base.status(key)} in the base"
    return CellComparison(
        key=key,
        state=state,
        base_status=base.status(key),
        candidate_status=candidate.status(key),
        detail=detail,
        notes=tuple(_changes(before, after)),
    )


def _state(before: Sequence[Row], after: Sequence[Row], failures: Sequence[Row], lost: Sequence[int]) -> State:
    if not before:
        return "new"
    if not after or lost:
        return "missing"
    if not any(is_measured(row) for row in before):
        return "not measured" if failures else "fixed"
    if not failures:
        return "compared"
    flaky_before = not all(is_measured(row) for row in before)
    return "unstable" if flaky_before and len(failures) < len(after) else "failed"


def _changes(before: Sequence[Row], after: Sequence[Row]) -> Iterator[str]:
    """What else is not as it was, of rows that were measured."""
    for column, what in (("parameters", "parameters"), ("num_tokens", "tokens"), ("kernels", "kernels")):
        sides = [
            sorted({str(value) for row in rows if is_measured(row) and (value := getattr(row, column))})
            for rows in (before, after)
        ]
        if all(sides) and sides[0] != sides[1]:
            yield f"{what}: {' / '.join(sides[0])} before, {' / '.join(sides[1])} now"


def _confirm(first: CellComparison, fresh: CellComparison) -> CellComparison:
    if fresh.verdict == "slower":
        return fresh
    if first.state in ("failed", "missing"):
        return replace(fresh, state="unstable", detail=f"{first.detail}; not so in fresh processes")
    suspected = ", ".join(finding.metric for finding in first.findings if finding.suspected)
    return replace(fresh, notes=(*fresh.notes, f"{suspected}: a suspicion that fresh processes did not confirm"))


def _foreign_calibration(base: Evidence, settings: Settings) -> Iterator[str]:
    """Why the calibration does not hold for these results, in a sentence."""
    if settings.calibration is None:
        return
    if base.manifest is None:
        yield "The calibration is not used: without a manifest.json nothing says whether it is of the same machine."
        return
    if unequal := list(settings.calibration.foreign(base.manifest["environment"])):
        yield f"The calibration is not used, being of another machine: {', '.join(unequal)}."


def _idle_rules(base: Evidence, candidate: Evidence, settings: Settings) -> Iterator[str]:
    """A mistyped name would leave cells to another threshold without a word."""
    for rule in settings.rules:
        if not any(rule.applies(key) for key in (*base.rows, *candidate.rows)):
            yield f"The threshold {rule.text} applies to no cell."
