"""What all formats say, in the same words."""

from __future__ import annotations

import math
from collections import Counter

from dig_bench.compare.comparison import CellComparison, Comparison, ExitCode
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.findings import Finding
from dig_bench.results.metrics import METRICS, Threshold

TITLES: dict[str, str] = {
    "latency": "latency",
    "memory": "peak memory",
    "reserved-memory": "reserved memory",
    "device-memory": "device memory",
    "first-call": "first call",
    "energy": "energy",
}

_WORSE_BETTER: dict[str, tuple[str, str]] = {
    "latency": ("SLOWER", "FASTER"),
    "memory": ("MORE MEMORY", "LESS MEMORY"),
    "reserved-memory": ("MORE RESERVED", "LESS RESERVED"),
    "device-memory": ("MORE ON DEVICE", "LESS ON DEVICE"),
    "first-call": ("SLOWER FIRST CALL", "FASTER FIRST CALL"),
    "energy": ("MORE ENERGY", "LESS ENERGY"),
}

_HEADLINES = {
    ExitCode.FINE: "No regression",
    ExitCode.REGRESSION: "Regression",
    ExitCode.UNDECIDED: "Undecided",
    ExitCode.ENVIRONMENTS_DIFFER: "Not compared: the conditions differ",
    ExitCode.NOTHING_MEASURED: "Nothing to compare: no cell was measured in the base and found again",
}


def clean(text: str, limit: int = 300) -> str:
    """In one line, without control characters, and nothing that the log of a GitHub job would obey."""
    text = "".join(char if char.isprintable() else " " for char in text)
    text = " ".join(text.split()).replace("##[", "## [").replace("::", ": :")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def figure(value: float) -> str:
    """12,346; 12.35; 0.01235."""
    return f"{value:,.0f}" if 1000 <= value < 1e15 else f"{value:.4g}"


def ratio(finding: Finding) -> str:
    """`1.052 (1.041 to 1.063)`; `1.148, +64 MiB` where the interval has no width."""
    decision = finding.decision
    if decision is None or math.isinf(decision.ratio_high):
        return _factor(decision.ratio) if decision else ""
    if decision.ratio_low < decision.ratio_high:
        return f"{_factor(decision.ratio)} ({_factor(decision.ratio_low)} to {_factor(decision.ratio_high)})"
    difference = finding.candidate[0] - finding.base[0]
    sign = "+" if difference > 0 else "-"
    change = f", {sign}{figure(abs(difference))} {METRICS[finding.metric].unit}" if difference else ""
    return f"{_factor(decision.ratio)}{change}"


def threshold(limit: Threshold, metric: str) -> str:
    """`1 % and 32 MiB`."""
    relative = f"{100 * limit.relative:g} %" if limit.relative or not limit.absolute else ""
    absolute = f"{limit.absolute:g} {METRICS[metric].unit}" if limit.absolute else ""
    return " and ".join(filter(None, (relative, absolute)))


def verdict(finding: Finding) -> str:
    """`SLOWER`, `MORE MEMORY`, `SAME`."""
    worse, better = _WORSE_BETTER[finding.metric]
    return {"slower": worse, "faster": better}.get(finding.verdict, finding.verdict.upper())


def label(cell: CellComparison) -> str:
    """The cell's state when it could not be compared, else the word of its worst finding."""
    if cell.state != "compared":
        return cell.state.upper()
    worst = next((finding for finding in cell.findings if finding.verdict == cell.verdict), None)
    return verdict(worst) if worst else "NO FIGURES"


def reasons(cell: CellComparison) -> list[str]:
    """Why its label is what it is, and what else changed."""
    notes = [f"{TITLES[finding.metric]}: {finding.note}" for finding in cell.findings if finding.note]
    return [clean(text) for text in (cell.detail, *notes, *cell.notes) if text]


def headline(comparison: Comparison) -> str:
    return _HEADLINES[comparison.exit_code]


def counts(comparison: Comparison) -> str:
    """`12 cells: 1 slower, 11 the same`."""
    found = Counter("new" if cell.state in ("new", "fixed") else cell.verdict for cell in comparison.cells)
    names = {
        "slower": "worse",
        "undecided": "undecided",
        "faster": "better",
        "same": "the same",
        "new": "new",
        None: "not comparable",
    }
    parts = [f"{found[key]} {name}" for key, name in names.items() if found[key]]
    return f"{len(comparison.cells)} {'cell' if len(comparison.cells) == 1 else 'cells'}: {', '.join(parts)}"


def side(processes: Evidence) -> str:
    """`results/main (1a2b3c4d5e)`."""
    environment = processes.manifest["environment"] if processes.manifest else {}
    revision = str(environment.get("git_revision") or "")[:10]
    dirty = ", with uncommitted changes" if revision and environment.get("git_dirty") else ""
    return clean(f"{processes.source} ({revision}{dirty})" if revision else processes.source)


def metrics_shown(comparison: Comparison) -> list[str]:
    found = {finding.metric for cell in comparison.cells for finding in cell.findings}
    return [metric for metric in comparison.settings.metrics if metric in found]


def method(comparison: Comparison) -> str:
    """How to read it, in a sentence or two."""
    settings = comparison.settings
    limits = ", ".join(
        f"{TITLES[metric]} {threshold(settings.thresholds[metric], metric)}" for metric in metrics_shown(comparison)
    )
    rules = "; ".join(clean(rule.text) for rule in settings.rules)
    known = settings.calibration.source if settings.calibration else ""
    return (
        f"Ratios are candidate over base, of the processes' geometric means, with {100 * settings.confidence:g} % "
        f"intervals. A change counts when its whole interval is beyond the threshold ({limits}"
        f"{f'; {rules}' if rules else ''}), at a rate of false alarms of {100 * settings.false_alarms:g} % "
        f"for the whole comparison.{f' Noise between processes: {clean(known)}.' if known else ''}"
    )


def _factor(value: float) -> str:
    return f"{value:.3f}" if value < 100 else f"{value:.4g}"
