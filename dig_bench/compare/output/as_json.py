"""JSON, for programs: everything that was found."""

from __future__ import annotations

from typing import Any

from dig_bench.compare.cell_comparison import CellComparison
from dig_bench.compare.comparison import Comparison
from dig_bench.compare.evidence import Evidence
from dig_bench.compare.finding import Finding
from dig_bench.files.json_codec import dumps
from dig_bench.results.metrics import METRICS

FORMAT = 1


def render(comparison: Comparison) -> str:
    """Returns the JSON text. Infinite and unknown values are null."""
    settings = comparison.settings
    return dumps(
        {
            "format": FORMAT,
            "outcome": comparison.exit_code.name.lower(),
            "exit_code": int(comparison.exit_code),
            "base": _side(comparison.base),
            "candidate": _side(comparison.candidate),
            "differences": comparison.differences,
            "warnings": comparison.warnings,
            "confidence": settings.confidence,
            "false_alarms": settings.false_alarms,
            "rules": [rule.text for rule in settings.rules],
            "cells": [_cell(cell) for cell in comparison.cells],
        }
    )


def _side(evidence: Evidence) -> dict[str, Any]:
    environment = evidence.manifest["environment"] if evidence.manifest else {}
    return {"source": evidence.source, "git_revision": environment.get("git_revision")}


def _cell(cell: CellComparison) -> dict[str, Any]:
    return {
        "cell": {name: value for name, value in cell.key.as_dict().items() if name != "process"},
        "state": cell.state,
        "verdict": cell.verdict,
        "base_status": cell.base_status,
        "candidate_status": cell.candidate_status,
        "detail": cell.detail,
        "notes": cell.notes,
        "findings": [_finding(finding) for finding in cell.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    decision = finding.decision
    decided = ("ratio", "ratio_low", "ratio_high", "p_slower", "p_faster")
    return {
        "metric": finding.metric,
        "column": METRICS[finding.metric].column,
        "unit": METRICS[finding.metric].unit,
        "verdict": finding.verdict,
        **{name: decision and getattr(decision, name) for name in decided},
        "threshold": finding.threshold,
        "base": finding.base,
        "candidate": finding.candidate,
        "note": finding.note,
        "more_processes": finding.more_processes,
    }
