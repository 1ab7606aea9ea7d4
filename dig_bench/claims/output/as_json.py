"""JSON: all findings, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dig_bench.cell import Key
from dig_bench.claims.assessment import Assessment
from dig_bench.claims.finding import Finding
from dig_bench.claims.judgement import Judgement
from dig_bench.claims.machines import Machine
from dig_bench.claims.output import notes, words
from dig_bench.claims.points import Panel
from dig_bench.claims.ratios import Ratio
from dig_bench.claims.verdict import Crossover
from dig_bench.files.json_codec import dumps

FORMAT = 2

_CONDITIONS = ("mode", "precision", "execution", "batch_size", "device")


def render(assessment: Assessment) -> str:
    """JSON text. Infinite and unknown values are null. `processes` labels a finding of few: `one process`.

    A ratio is the other model's value over DiG's; a memory saving is the ratio of memories, too.
    """
    return dumps(
        {
            "format": FORMAT,
            "tolerance": assessment.tolerance,
            "notes": [*notes.on_paper(), *notes.on_results(assessment)],
            "results": [_machine(machine) for machine in assessment.machines],
            "claims": [_judgement(assessment, judgement) for judgement in assessment.judgements],
            "figures": [_panel(panel) for panel in assessment.panels],
        }
    )


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
        "missing": judgement.missing,
        "notes": notes.on_claim(assessment, judgement),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "verdict": finding.verdict,
        "reading": finding.reading,
        "conditions": {**_conditions(finding), "ours": finding.ours.name, "theirs": finding.theirs},
        "departures": finding.departures,
        "measured": _measured(finding.measured),
        "processes": words.evidence(finding),
        "power_limit": words.power(finding),
        "to_decide": finding.to_decide,
    }


def _measured(found: Ratio | Crossover) -> Any:
    if isinstance(found, Crossover):
        curve = [{"resolution_px": px, **asdict(ratio)} for px, ratio in found.curve]
        bounds = {"value": found.value, "low": found.low, "high": found.high}
        return {**bounds, "curve": curve, "not_measured_px": found.missing}
    return found


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "figure": panel.figure,
        "conditions": {**_conditions(panel), "backend": panel.ours.backend},
        "points": panel.points,
    }


def _conditions(found: Finding | Panel) -> dict[str, Any]:
    key: Key = found.ours
    shared = {name: getattr(key, name) for name in _CONDITIONS}
    return {**shared, "device_name": found.device_name, "source": found.source}
