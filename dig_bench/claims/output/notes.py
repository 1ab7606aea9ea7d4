"""Notes: what a reader has to know of the paper, of the results and of each claim before believing a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dig_bench import paper
from dig_bench.claims.assessment import Assessment
from dig_bench.claims.conditions import PROTOCOLS
from dig_bench.claims.finding import Finding
from dig_bench.claims.judgement import Judgement
from dig_bench.claims.machines import Machine
from dig_bench.claims.points import Panel
from dig_bench.claims.ratios import Ratio
from dig_bench.claims.verdict import TOLERANCE
from dig_bench.render.numbers import significant
from dig_bench.render.text import count, log_line

UNSTATED = (
    "The paper states neither the GPU, nor the precision, nor the batch size, nor whether its images per second are "
    "training or inference. Only ratios between models are compared, never absolute values."
)

_MAX_CHARACTERS = 1000


def on_paper() -> list[str]:
    """Known and unknown parts of the paper's protocol."""
    likely = (f"The {name} figure is {protocol.why}" for name, protocol in PROTOCOLS.items())
    return [UNSTATED, *likely, *_between_figures()]


def on_results(assessment: Assessment) -> list[str]:
    """Reservations about the results."""
    return [log_line(note, _MAX_CHARACTERS) for machine in assessment.machines for note in _on_machine(machine)]


def on_claim(assessment: Assessment, judgement: Judgement) -> list[str]:
    """Reservations about a verdict."""
    return [log_line(note, _MAX_CHARACTERS) for note in _on_claim(judgement, assessment.panels)]


def _on_claim(judgement: Judgement, panels: Sequence[Panel]) -> Iterator[str]:
    claim, closest = judgement.claim, judgement.closest
    if not closest and judgement.missing:
        yield f"Not measured: {'; '.join(judgement.missing)}."
    if claim.quantity != "crossover_px" and len(claim.readings) > 1:
        pairs = ", ".join(f"{significant(each.value)} against {each.against}" for each in claim.readings[1:])
        abstract = significant(claim.claimed.value)
        yield f"The paper disagrees with itself: the abstract says {abstract}, its figure {pairs}."
    if closest and closest.departures:
        yield f"The nearest measurement departs from the paper's conditions: {'; '.join(closest.departures)}."
    if closest and closest.to_decide:
        yield f"Undecided. To decide: {closest.to_decide}."
    if closest and any(ratio.basis == "samples" for ratio in _ratios(closest)):
        yield (
            "The interval covers the timing samples within a process: with fewer than three processes on a side, "
            "differences between processes are not in it."
        )
    if claim.quantity == "memory_saving":
        yield from _memory_offset(claim.model, panels)


def _ratios(finding: Finding) -> list[Ratio]:
    found = finding.measured
    return [found] if isinstance(found, Ratio) else [ratio for _, ratio in found.curve]


def _memory_offset(model: str, panels: Sequence[Panel]) -> Iterator[str]:
    """A constant share of memory makes the ratio smaller, and the paper seems to count more of it."""
    for panel in panels:
        points = [point for point in panel.points if point.name.startswith(f"{model}@") and point.measured.memory_gb]
        if panel.figure != "teaser" or not points:
            continue
        smallest = min(points, key=lambda point: point.resolution_px)
        shown, here = smallest.paper.memory_gb, smallest.measured.memory_gb
        if shown and here and shown > 2 * here:
            yield (
                f"At {smallest.resolution_px} px the paper shows {significant(shown)} GB for {model}, but "
                f"{significant(here)} GB are allocated here: the paper counts memory that does not grow with the "
                "image, which makes its saving smaller. It does not say what it counts."
            )
        return


def _between_figures() -> Iterator[str]:
    """The two figures share points, and show different values for them."""
    teaser, size = (
        points[points["model"] == "DiG"].set_index(["size", "resolution_px"])["images_per_s"]
        for points in (paper.speed_memory(), paper.scaling())
    )
    shared = [point for point in teaser.index if point in size.index]
    if any(abs(teaser[point] / size[point] - 1) > TOLERANCE for point in shared):
        each = "; ".join(
            f"DiG-{model_size} at {resolution_px} px runs at {significant(teaser[model_size, resolution_px])} images/s "
            f"in one and at {significant(size[model_size, resolution_px])} in the other"
            for model_size, resolution_px in shared
        )
        yield f"The paper's two figures follow different protocols: {each}."


def _on_machine(machine: Machine) -> Iterator[str]:
    for side in machine.sides:
        if side.manifest is None:
            yield f"{side.source} has no manifest.json: its machine, versions and protocol are unknown."
            continue
        if not side.manifest["finished_at"]:
            yield f"{side.source} comes from a sweep that did not finish: rows are missing."
        if side.manifest["environment"].get("git_dirty"):
            yield f"{side.source} was measured with uncommitted changes: its revision does not say what ran."
    if machine.left_out:
        example = min(row.cell.without("process").label() for row in machine.left_out)
        yield (
            f"{count(len(machine.left_out), 'measured row')} ({example}, for example) ran other code or other kernels "
            "than the newest row of the same cell, or unknown code: they do not count as its processes."
        )
    if any(not row.state for row in machine.evidence.measured):
        yield (
            f"Rows of an earlier version are in {machine.evidence.source}: their intervals treat consecutive timings "
            "as independent and are too narrow."
        )
