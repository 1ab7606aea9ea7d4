"""All claims and both figures against results: what the outputs are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dig_bench import paper
from dig_bench.claims.conditions import PROTOCOLS
from dig_bench.claims.judgement import Judgement, claims, judge
from dig_bench.claims.measured import Machine, read_machines
from dig_bench.claims.points import Panel, panels
from dig_bench.claims.verdict import TOLERANCE
from dig_bench.compare.output.words import clean, figure

UNSTATED = (
    "The paper states neither the GPU, nor the precision, nor the batch size, nor whether its images per second are of "
    "training or of inference. So ratios between models are compared, never absolute figures."
)

_LONG = 1000
"""Characters of a note; longer ones are cut off."""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    judgements: tuple[Judgement, ...]
    panels: tuple[Panel, ...]
    """Of both figures, of each the nearest to the paper's conditions first."""
    machines: tuple[Machine, ...]
    tolerance: float

    @property
    def is_empty(self) -> bool:
        """Whether no claim has a finding."""
        return not any(judgement.findings for judgement in self.judgements)

    @property
    def paper_notes(self) -> list[str]:
        """What is known of the paper's protocol, and what is not."""
        likely = (f"The {name} figure is {protocol.why}" for name, protocol in PROTOCOLS.items())
        return [UNSTATED, *likely, *_between_figures()]

    @property
    def result_notes(self) -> list[str]:
        """What has to be known of the results."""
        return [clean(note, _LONG) for machine in self.machines for note in _of_results(machine)]

    def notes_on(self, judgement: Judgement) -> list[str]:
        return [clean(note, _LONG) for note in _on(judgement, self.panels, self.tolerance)]


def assess(paths: Sequence[Path], *, tolerance: float = TOLERANCE) -> Assessment:
    """Of results folders, or tables of rows. StoreError for a missing or broken one; ValueError for a tolerance that is
    no share between 0 and 1, and for a path that is given twice."""
    if not 0 <= tolerance < 1:
        raise ValueError(f"a tolerance is a share from 0 to 1, not {tolerance:g}")
    machines = read_machines(paths)
    return Assessment(
        judgements=tuple(judge(machines, claim, tolerance=tolerance) for claim in claims(tolerance)),
        panels=(*panels(machines, "teaser"), *panels(machines, "size")),
        machines=tuple(machines),
        tolerance=tolerance,
    )


def _on(judgement: Judgement, drawn: Sequence[Panel], tolerance: float) -> Iterator[str]:
    claim, closest = judgement.claim, judgement.closest
    if not closest and judgement.missing:
        yield f"Not measured: {'; '.join(judgement.missing)}."
    if claim.quantity != "crossover_px" and len(claim.readings) > 1:
        shown = claim.readings[1:]
        pairs = ", ".join(f"{figure(reading.value)} against {reading.against}" for reading in shown)
        yield f"The paper disagrees with itself: the abstract says {figure(claim.claimed.value)}, its figure {pairs}."
    if closest and closest.departures:
        yield f"The nearest to the paper's conditions departs from them: {'; '.join(closest.departures)}."
    if closest and getattr(closest.measured, "evidence", "") == "calls":
        yield (
            "The interval is of the calls within a process, from fewer than three processes a side: what differs "
            "between processes is not in it."
        )
    if claim.quantity == "memory_saving":
        yield from _memory_offset(claim.model, drawn)


def _memory_offset(model: str, drawn: Sequence[Panel]) -> Iterator[str]:
    """Memory that does not grow with the image makes the ratio smaller, and the paper seems to count more of it."""
    for panel in drawn:
        points = [point for point in panel.points if point.name.startswith(f"{model}@") and point.measured.memory_gb]
        if panel.figure != "teaser" or not points:
            continue
        smallest = min(points, key=lambda point: point.resolution_px)
        shown, here = smallest.paper.memory_gb, smallest.measured.memory_gb
        if shown and here and shown > 2 * here:
            yield (
                f"At {smallest.resolution_px} px the paper shows {figure(shown)} GB for {model}, where "
                f"{figure(here)} GB are allocated here: its memory counts something that does not grow with the image "
                "and is not in these figures, which makes its saving smaller. What it counts is not stated."
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
            f"DiG-{model_size} at {resolution_px} px runs at {figure(teaser[model_size, resolution_px])} images/s in "
            f"one and at {figure(size[model_size, resolution_px])} in the other"
            for model_size, resolution_px in shared
        )
        yield f"The paper's two figures follow different protocols: {each}."


def _of_results(machine: Machine) -> Iterator[str]:
    for side in machine.sides:
        if side.manifest is None:
            yield f"{side.source} has no manifest.json: its machine, versions and protocol are unknown."
            continue
        if not side.manifest["finished_at"]:
            yield f"{side.source} is of a sweep that did not finish: rows are missing."
        if side.manifest["environment"].get("git_dirty"):
            yield f"{side.source} was measured with uncommitted changes: its revision does not say what ran."
