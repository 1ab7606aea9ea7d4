"""Texts that all formats share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from dig_bench.compare.cell_comparison import CellComparison
from dig_bench.compare.comparison import Comparison, ExitCode
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.finding import Finding
from dig_bench.render.levels import Level, level_of
from dig_bench.render.numbers import factor, fine_percent, significant
from dig_bench.render.text import count, log_line
from dig_bench.results.metrics import METRICS, Threshold

COUNTED: dict[str | None, str] = {
    "slower": "worse",
    "undecided": "undecided",
    "faster": "better",
    "same": "the same",
    "new": "new",
    None: "not comparable",
}
"""Verdict of a cell -> word for the number of such cells."""

_HEADLINES = {
    ExitCode.FINE: "No regression",
    ExitCode.REGRESSION: "Regression",
    ExitCode.UNDECIDED: "Undecided",
    ExitCode.ENVIRONMENTS_DIFFER: "Not compared: the conditions differ",
    ExitCode.NOTHING_MEASURED: "Nothing to compare: no cell of the base has values and is in the candidate",
}


def value(number: float, metric: str) -> str:
    """`12,346`, `12.35`, `0.01235`: a value to the metric's number of digits, without its unit."""
    return significant(number, METRICS[metric].digits)


def values(numbers: Iterable[float], metric: str) -> str:
    """`12.35, 12.36, 12.34`."""
    return ", ".join(value(number, metric) for number in numbers)


def ratio(finding: Finding) -> str:
    """`1.052 (1.041 to 1.063)`; `1.148, +64.0 MiB` if the interval has no width."""
    decision = finding.decision
    if decision is None or math.isinf(decision.ratio_high):
        return factor(decision.ratio) if decision else ""
    if decision.ratio_low < decision.ratio_high:
        return f"{factor(decision.ratio)} ({factor(decision.ratio_low)} to {factor(decision.ratio_high)})"
    difference = finding.candidate[0] - finding.base[0]
    sign = "+" if difference > 0 else "-"
    change = f", {sign}{significant(abs(difference))} {METRICS[finding.metric].unit}" if difference else ""
    return f"{factor(decision.ratio)}{change}"


def threshold(limit: Threshold, metric: str) -> str:
    """`1 % and 32 MiB`."""
    relative = fine_percent(limit.relative) if limit.relative or not limit.absolute else ""
    absolute = f"{limit.absolute:g} {METRICS[metric].unit}" if limit.absolute else ""
    return " and ".join(filter(None, (relative, absolute)))


def verdict(finding: Finding) -> str:
    """`SLOWER`, `MORE MEMORY`, `SAME`."""
    metric = METRICS[finding.metric]
    return {"slower": metric.worse, "faster": metric.better}.get(finding.verdict, finding.verdict).upper()


def label(cell: CellComparison) -> str:
    """Returns the state of a cell that could not be compared, else the word for its worst finding."""
    if cell.state != "compared":
        return cell.state.upper()
    worst = next((finding for finding in cell.findings if finding.verdict == cell.verdict), None)
    return verdict(worst) if worst else "NO VALUES"


def reasons(cell: CellComparison) -> list[str]:
    """Returns the reasons for the cell's label, and what else changed."""
    notes = [f"{METRICS[finding.metric].title}: {finding.note}" for finding in cell.findings if finding.note]
    return [log_line(text) for text in (cell.detail, *notes, *cell.notes) if text]


def headline(comparison: Comparison) -> str:
    return _HEADLINES[comparison.exit_code]


def outcome_level(comparison: Comparison) -> Level:
    """Returns how good the outcome of the whole comparison is."""
    return level_of(comparison.exit_code.name.lower().replace("_", " "))


def counts(comparison: Comparison) -> str:
    """`12 cells: 1 worse, 11 the same`."""
    found = Counter("new" if cell.state in ("new", "fixed") else cell.verdict for cell in comparison.cells)
    parts = [f"{found[verdict]} {word}" for verdict, word in COUNTED.items() if found[verdict]]
    return f"{count(len(comparison.cells), 'cell')}: {', '.join(parts)}"


def side(evidence: Evidence) -> str:
    """`results/main (1a2b3c4d5e)`."""
    environment = evidence.manifest["environment"] if evidence.manifest else {}
    revision = str(environment.get("git_revision") or "")[:10]
    dirty = ", with uncommitted changes" if revision and environment.get("git_dirty") else ""
    return log_line(f"{evidence.source} ({revision}{dirty})" if revision else evidence.source)


def metrics_shown(comparison: Comparison) -> list[str]:
    """Returns the metrics that have findings, in the order of the settings."""
    found = {finding.metric for cell in comparison.cells for finding in cell.findings}
    return [metric for metric in comparison.settings.metrics if metric in found]


def method(comparison: Comparison) -> str:
    """Explains the ratios and verdicts in a sentence or two."""
    settings = comparison.settings
    limits = ", ".join(
        f"{METRICS[metric].title} {threshold(settings.thresholds[metric], metric)}"
        for metric in metrics_shown(comparison)
    )
    rules = "; ".join(log_line(rule.text) for rule in settings.rules)
    known = settings.calibration.source if settings.calibration else ""
    return (
        f"Ratios are candidate over base, of the processes' geometric means, with {fine_percent(settings.confidence)} "
        f"intervals. A change counts if its whole interval lies beyond the threshold ({limits}"
        f"{f'; {rules}' if rules else ''}), with a rate of false alarms of {fine_percent(settings.false_alarms)} "
        f"for the whole comparison as the aim.{f' Noise between processes: {log_line(known)}.' if known else ''}"
    )
