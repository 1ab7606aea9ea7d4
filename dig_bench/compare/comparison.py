"""The comparison of two sides: a verdict for every figure of every cell, and what follows for the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

from dig_bench.cell import Row
from dig_bench.compare import conditions
from dig_bench.compare.conditions import Difference
from dig_bench.compare.decision import MIN_LAUNCHES, Decision, Threshold, Verdict, decide
from dig_bench.compare.launches import METRICS, Key, Launches
from dig_bench.compare.noise import shared_noise
from dig_bench.compare.settings import Noise, Settings

State = Literal["compared", "failed", "missing", "unstable", "new", "fixed", "not measured"]
"""Of a cell. `compared`: measured on both sides. `failed`: the base measured it, the candidate did not. `missing`: the
candidate lacks rows of it. `unstable`: launches failed on both sides, or failed once and not again. `new`: the base has
no row. `fixed`: it failed in the base. `not measured`: it failed, or cannot run, on both sides."""


MACHINE = ("device", "cpu", "gpu_name", "power_limit_w")
"""What a calibration holds for. Other versions of the software are as noisy."""


class ExitCode(IntEnum):
    FINE = 0
    REGRESSION = 1
    USAGE = 2
    UNDECIDED = 3
    ENVIRONMENTS_DIFFER = 4
    NOTHING_MEASURED = 5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One metric of one cell."""

    metric: str
    verdict: Verdict
    """The decision's, unless it holds for this figure alone and not among all that were compared."""
    decision: Decision | None
    """None when a side has no figure."""
    threshold: Threshold
    base: tuple[float, ...]
    """Figures of launches."""
    candidate: tuple[float, ...]
    note: str = ""
    """Why it is undecided, when the interval does not tell."""

    @property
    def suspected(self) -> bool:
        """By itself beyond the threshold."""
        return self.decision is not None and self.decision.verdict == "slower"


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
    base: Launches
    candidate: Launches
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
        """Cells to confirm by fresh launches: regressions, and those that would be one if they were alone."""
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
        """What holds after the suspects were launched anew: of them, only what the fresh launches say.

        The launches that raised a suspicion are no evidence for it: they were picked for being high. A failure that
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


def compare(base: Launches, candidate: Launches, settings: Settings) -> Comparison:
    """Refuses, with no cells, when the conditions differ and the settings do not allow that.

    Errors are held for the comparison as a whole: of all figures whose launches vary, one is slower only if Holm's
    procedure says so at the settings' rate of false alarms; likewise faster. What is beyond its threshold by itself but
    not among so many is undecided. No correction is needed for `same`: to call a whole comparison fine, every figure
    has to pass, so that a slow one passes no more often than it would alone.
    """
    foreign = tuple(_foreign_calibration(base, settings))
    if foreign:
        settings = replace(settings, calibration=None)
    comparison = Comparison(
        base=base,
        candidate=candidate,
        settings=settings,
        differences=conditions.differences(base, candidate),
        warnings=(*conditions.warnings(base, candidate), *foreign),
        cells=(),
    )
    if comparison.refused:
        return comparison
    keys = [*base.rows, *(key for key in candidate.rows if key not in base.rows)]
    cells = [_compare_cell(key, base, candidate) for key in keys]
    found = _findings([cell.key for cell in cells if cell.state in ("compared", "unstable")], base, candidate, settings)
    return replace(comparison, cells=tuple(replace(cell, findings=tuple(found.get(cell.key, ()))) for cell in cells))


def holm(p_values: Sequence[float], rate: float) -> list[bool]:
    """Which of the hypotheses fall at a family-wise error of `rate` (Holm 1979), in their order."""
    rejected = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > rate / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected


def _compare_cell(key: Key, base: Launches, candidate: Launches) -> CellComparison:
    before, after = base.rows.get(key, ()), candidate.rows.get(key, ())
    # A launch that the candidate has for other cells, and the base for this one, belongs here.
    lost = sorted({row.launch for row in before} & candidate.numbers - {row.launch for row in after})
    failures = [row for row in after if not row.measured]
    state = _state(before, after, failures, lost)
    detail = ""
    if state == "missing":
        detail = f"no row of launch {', '.join(map(str, lost))}" if after and lost else "no row in the candidate"
    elif state in ("failed", "unstable", "not measured") and failures:
        count = f"{len(failures)} of {len(after)} launches: " if len(after) > 1 else ""
        detail = f"{count}{failures[0].status}{': ' if failures[0].detail else ''}{failures[0].detail}"
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
    if not any(row.measured for row in before):
        return "not measured" if failures else "fixed"
    if not failures:
        return "compared"
    flaky_before = not all(row.measured for row in before)
    return "unstable" if flaky_before and len(failures) < len(after) else "failed"


def _changes(before: Sequence[Row], after: Sequence[Row]) -> Iterator[str]:
    """What else is not as it was, of rows that were measured."""
    for column, what in (("parameters", "parameters"), ("num_tokens", "tokens"), ("kernels", "kernels")):
        sides = [
            sorted({str(value) for row in rows if row.measured and (value := getattr(row, column))})
            for rows in (before, after)
        ]
        if all(sides) and sides[0] != sides[1]:
            yield f"{what}: {' / '.join(sides[0])} before, {' / '.join(sides[1])} now"


def _findings(keys: Iterable[Key], base: Launches, candidate: Launches, settings: Settings) -> dict[Key, list[Finding]]:
    found: dict[Key, list[Finding]] = {}
    for metric in settings.metrics:
        sides = {key: (base.figures(key, metric), candidate.figures(key, metric)) for key in keys}
        shared = None if METRICS[metric].repeatable else shared_noise(list(sides.values()))
        for key, (before, after) in sides.items():
            # A figure that only the candidate has, the energy on a newer driver say, is no change of it.
            if before:
                found.setdefault(key, []).append(_finding(key, metric, before, after, settings, shared))
    flat = [finding for findings in found.values() for finding in findings]
    for verdict, p_value in _DIRECTIONS.items():
        _hold_error(flat, verdict, p_value, settings.false_alarms)
    kept = iter(flat)
    return {key: [next(kept) for _ in findings] for key, findings in found.items()}


_DIRECTIONS: dict[Verdict, Callable[[Decision], float | None]] = {
    "slower": lambda decision: decision.p_slower,
    "faster": lambda decision: decision.p_faster,
}


def _hold_error(
    findings: list[Finding], verdict: Verdict, p_value: Callable[[Decision], float | None], rate: float
) -> None:
    """Turns into undecided, in place, those that are beyond the threshold by themselves only."""
    family = {
        index: p
        for index, finding in enumerate(findings)
        if finding.decision and (p := p_value(finding.decision)) is not None
    }
    rejected = dict(zip(family, holm(list(family.values()), rate), strict=True))
    for index, stands in rejected.items():
        if findings[index].verdict == verdict and not stands:
            note = f"{verdict} by itself, but not beyond chance among {len(family)} figures: needs more launches"
            findings[index] = replace(findings[index], verdict="undecided", note=note)


def _finding(
    key: Key, metric: str, before: Sequence[float], after: Sequence[float], settings: Settings, shared: Noise | None
) -> Finding:
    threshold = settings.threshold(key, metric)
    sides = {"base": tuple(before), "candidate": tuple(after)}
    if not after:
        note = "no usable figure in the candidate"
        return Finding(metric=metric, verdict="undecided", decision=None, threshold=threshold, note=note, **sides)
    noise = settings.noise(key, metric) or shared
    decision = decide(
        before,
        after,
        threshold=threshold,
        launch_noise=noise.sd if noise else None,
        noise_degrees=noise.degrees if noise else 0.0,
        repeatable=METRICS[metric].repeatable,
        confidence=settings.confidence,
    )
    few = min(len(before), len(after)) < MIN_LAUNCHES and not METRICS[metric].repeatable
    note = f"{len(before)} and {len(after)} launches: {MIN_LAUNCHES} a side are needed" if few else ""
    return Finding(metric=metric, verdict=decision.verdict, decision=decision, threshold=threshold, note=note, **sides)


def _confirm(first: CellComparison, fresh: CellComparison) -> CellComparison:
    if fresh.verdict == "slower":
        return fresh
    if first.state in ("failed", "missing"):
        return replace(fresh, state="unstable", detail=f"{first.detail}; not so in fresh launches")
    suspected = ", ".join(finding.metric for finding in first.findings if finding.suspected)
    return replace(fresh, notes=(*fresh.notes, f"{suspected}: a suspicion that fresh launches did not confirm"))


def _foreign_calibration(base: Launches, settings: Settings) -> Iterator[str]:
    """Why the calibration does not hold for these results, in a sentence."""
    if settings.calibration is None:
        return
    if base.manifest is None:
        yield "The calibration is not used: without a manifest.json nothing says whether it is of the same machine."
        return
    there, here = settings.calibration.machine, base.manifest["environment"]
    unequal = [key for key in MACHINE if there.get(key) != here.get(key)]
    if unequal:
        what = ", ".join(f"{key} is {there.get(key)} there, {here.get(key)} here" for key in unequal)
        yield f"The calibration is not used, being of another machine: {what}."
