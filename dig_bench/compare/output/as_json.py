"""JSON: all that was found, for programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from dig_bench.compare.comparison import CellComparison, Comparison
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.findings import Finding
from dig_bench.results.metrics import METRICS

FORMAT = 1


def render(comparison: Comparison) -> str:
    """What is infinite or unknown is null: JSON has neither infinity nor NaN."""
    settings = comparison.settings
    content = {
        "format": FORMAT,
        "outcome": comparison.exit_code.name.lower(),
        "exit_code": int(comparison.exit_code),
        "base": _side(comparison.base),
        "candidate": _side(comparison.candidate),
        "differences": [asdict(difference) for difference in comparison.differences],
        "warnings": list(comparison.warnings),
        "confidence": settings.confidence,
        "false_alarms": settings.false_alarms,
        "rules": [rule.text for rule in settings.rules],
        "cells": [_cell(cell) for cell in comparison.cells],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _side(processes: Evidence) -> dict[str, Any]:
    environment = processes.manifest["environment"] if processes.manifest else {}
    return {"source": processes.source, "git_revision": environment.get("git_revision")}


def _cell(cell: CellComparison) -> dict[str, Any]:
    return {
        "cell": {name: value for name, value in cell.key.as_dict().items() if name != "process"},
        "state": cell.state,
        "verdict": cell.verdict,
        "base_status": cell.base_status,
        "candidate_status": cell.candidate_status,
        "detail": cell.detail,
        "notes": list(cell.notes),
        "findings": [_finding(finding) for finding in cell.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    decision = finding.decision
    ratios = (decision.ratio, decision.ratio_low, decision.ratio_high) if decision else (None, None, None)
    return {
        "metric": finding.metric,
        "column": METRICS[finding.metric].column,
        "unit": METRICS[finding.metric].unit,
        "verdict": finding.verdict,
        **{name: _finite(value) for name, value in zip(("ratio", "ratio_low", "ratio_high"), ratios, strict=True)},
        "p_slower": decision and decision.p_slower,
        "p_faster": decision and decision.p_faster,
        "threshold": asdict(finding.threshold),
        "base": list(finding.base),
        "candidate": list(finding.candidate),
        "note": finding.note,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
