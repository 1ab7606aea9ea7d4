"""JSON: all that was found, for programs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from dig_bench.claims.assessment import Assessment
from dig_bench.claims.judgement import Finding, Judgement
from dig_bench.claims.measured import Machine, Ratio
from dig_bench.claims.points import Panel
from dig_bench.claims.verdict import Crossover

FORMAT = 1


def render(assessment: Assessment) -> str:
    """What is infinite or unknown is null: JSON has neither infinity nor NaN. A ratio is theirs over ours; a memory
    saving is the ratio of memories, too."""
    content = {
        "format": FORMAT,
        "tolerance": assessment.tolerance,
        "notes": [*assessment.paper_notes, *assessment.result_notes],
        "results": [_machine(machine) for machine in assessment.machines],
        "claims": [_judgement(assessment, judgement) for judgement in assessment.judgements],
        "figures": [_panel(panel) for panel in assessment.panels],
    }
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def _machine(machine: Machine) -> dict[str, Any]:
    revisions = {
        side.source: side.manifest["environment"].get("git_revision") if side.manifest else None
        for side in machine.sides
    }
    return {"device_name": machine.device_name, "git_revision_by_source": revisions}


def _judgement(assessment: Assessment, judgement: Judgement) -> dict[str, Any]:
    claim = judgement.claim
    return {
        "id": claim.id,
        "claim": claim.text,
        "quantity": claim.quantity,
        "source": claim.source,
        "verdict": judgement.verdict,
        "claimed": claim.claimed.value,
        "closest": _finding(judgement.closest) if judgement.closest else None,
        "others": [_finding(finding) for finding in judgement.others],
        "missing": list(judgement.missing),
        "notes": assessment.notes_on(judgement),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "verdict": finding.verdict,
        "reading": asdict(finding.reading),
        "conditions": asdict(finding.conditions),
        "departures": list(finding.departures),
        "measured": _measured(finding.measured),
    }


def _measured(found: Ratio | Crossover) -> dict[str, Any]:
    if isinstance(found, Crossover):
        curve = [{"resolution_px": px, **asdict(ratio)} for px, ratio in found.curve]
        return {"value": found.value, "low": found.low, "high": found.high, "curve": curve}
    return asdict(found)


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "figure": panel.figure,
        "conditions": asdict(panel.conditions),
        "points": [asdict(point) for point in panel.points],
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
