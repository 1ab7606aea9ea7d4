"""The comparison of one cell: whether both sides measured it, what was found, and what else changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dig_bench.cell import Key, Row
from dig_bench.compare.decision import VERDICTS, Verdict
from dig_bench.compare.evidence import Evidence, is_measured
from dig_bench.compare.finding import Finding

State = Literal["compared", "failed", "missing", "unstable", "new", "fixed", "not measured"]
"""State of a cell.

- `compared`: both sides measured it.
- `failed`: the base measured it, the candidate did not.
- `missing`: the candidate lacks rows of it.
- `unstable`: processes failed on both sides, or failed once and not again.
- `new`: the base has no row of it.
- `fixed`: it failed in the base.
- `not measured`: it failed, or cannot run, on both sides.
"""

_NOTED_COLUMNS = {"parameters": "parameters", "num_tokens": "tokens", "kernels": "kernels"}
"""Columns whose changes are noted, and what they are called."""


@dataclass(frozen=True, kw_only=True)
class CellComparison:
    key: Key
    state: State
    base_status: str
    candidate_status: str
    detail: str
    """Reason why the state is not `compared`."""
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict | None:
        """The worst finding's verdict; `slower` for a failed or missing cell; None if there is nothing to compare."""
        if self.state in ("failed", "missing"):
            return "slower"
        verdicts = {finding.verdict for finding in self.findings}
        if "slower" not in verdicts and self.state == "unstable":
            return "undecided"
        return next((verdict for verdict in VERDICTS if verdict in verdicts), None)

    @property
    def suspected(self) -> bool:
        """True if fresh processes have to confirm a regression."""
        return self.state in ("failed", "missing") or any(finding.suspected for finding in self.findings)

    def confirmed_by(self, fresh: CellComparison) -> CellComparison:
        """Returns the comparison of a suspect, decided by its fresh processes."""
        if fresh.verdict == "slower":
            return fresh
        if self.state in ("failed", "missing"):
            return replace(fresh, state="unstable", detail=f"{self.detail}; not so in fresh processes")
        suspected = ", ".join(finding.metric for finding in self.findings if finding.suspected)
        return replace(fresh, notes=(*fresh.notes, f"{suspected}: suspected, but fresh processes did not confirm it"))


def compare_cell(key: Key, base: Evidence, candidate: Evidence) -> CellComparison:
    """Compares the rows of one cell, without its values: the findings are still empty."""
    before, after = base.rows.get(key, ()), candidate.rows.get(key, ())
    # A process that the candidate has for other cells, and the base for this one, belongs here.
    lost = sorted({row.process for row in before} & candidate.process_numbers - {row.process for row in after})
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
    """Yields other changes between the rows that were measured."""
    for column, name in _NOTED_COLUMNS.items():
        sides = [
            sorted({str(value) for row in rows if is_measured(row) and (value := getattr(row, column))})
            for rows in (before, after)
        ]
        if all(sides) and sides[0] != sides[1]:
            yield f"{name}: {' / '.join(sides[0])} before, {' / '.join(sides[1])} now"
