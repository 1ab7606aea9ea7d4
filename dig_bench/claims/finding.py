"""Findings: one reading of a claim against one pair of measured models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dig_bench.cell import Key
from dig_bench.claims.advice import for_crossover, for_ratio
from dig_bench.claims.claim import Claim, Reading, shown_px
from dig_bench.claims.conditions import NO_CONTENDER, departures
from dig_bench.claims.machines import Machine
from dig_bench.claims.ratios import Ratio, memory_ratio, speed_ratio
from dig_bench.claims.verdict import Crossover, Verdict, crossover, of_crossover, of_ratio


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A reading of a claim, judged under one set of conditions."""

    reading: Reading
    ours: Key
    """DiG's cells, with resolution and process blank. The other model's cells have the same mode, precision, execution,
    batch size and device."""
    theirs: str
    """The other model and its backend: `DiT-S/2@math`."""
    device_name: str
    source: str
    """The results folders."""
    measured: Ratio | Crossover
    verdict: Verdict
    departures: tuple[str, ...]
    """Known differences from the paper's conditions, the most serious first."""
    to_decide: str = ""
    """Measurements that would settle an undecided verdict; empty for others."""

    @property
    def is_against_the_claimed(self) -> bool:
        """True if the other model runs the backend that the reading names."""
        return self.theirs == self.reading.against

    @property
    def pair(self) -> str:
        """`DiG-S/2@fla to DiT-S/2@math`."""
        return f"{self.ours.name} to {self.theirs}"

    @property
    def conditions(self) -> Key:
        """The conditions that both models share: the cells without their models."""
        return self.ours.without("model", "backend")

    def label(self) -> str:
        """`DiG-S/2@fla to DiT-S/2@math · train · tf32 · CUDA graph · batch 1 · H100`."""
        return f"{self.pair} · {self.conditions.label(device_name=self.device_name)}"


def findings(machine: Machine, claim: Claim, reading: Reading, tolerance: float) -> Iterator[Finding]:
    """Judges a reading under every set of conditions that one machine measured both models under."""
    is_crossover = claim.quantity == "crossover_px"
    measure = memory_ratio if claim.quantity == "memory_saving" else speed_ratio
    curves: dict[tuple[Key, str], list[tuple[int, Ratio]]] = {}
    for ours, theirs in _pairs(machine, claim.model, reading.against.partition("@")[0]):
        if not is_crossover and ours.resolution_px != claim.resolution_px:
            continue
        if ratio := measure(machine.evidence, ours, theirs):
            curves.setdefault((ours.without("resolution_px"), theirs.name), []).append((ours.resolution_px, ratio))
    for (ours, their_name), curve in curves.items():
        if is_crossover:
            wanted = {*shown_px(claim, their_name), claim.resolution_px} - {px for px, _ in curve}
            measured: Ratio | Crossover = crossover(sorted(curve, key=lambda point: point[0]), missing=sorted(wanted))
        else:
            measured = curve[0][1]
        verdict = _verdict(claim, reading, measured, tolerance)
        opponent = [f"against {their_name}"] if their_name != reading.against else []
        yield Finding(
            reading=reading,
            ours=ours,
            theirs=their_name,
            device_name=machine.device_name,
            source=machine.evidence.source,
            measured=measured,
            verdict=verdict,
            departures=(*opponent, *departures(ours, claim.figure)),
            to_decide=_to_decide(claim, reading, measured, tolerance) if verdict == "undecided" else "",
        )


def _verdict(claim: Claim, reading: Reading, measured: Ratio | Crossover, tolerance: float) -> Verdict:
    if isinstance(measured, Crossover):
        return of_crossover(claim.resolution_px, measured)
    return of_ratio(reading.value, measured, tolerance)


def _to_decide(claim: Claim, reading: Reading, measured: Ratio | Crossover, tolerance: float) -> str:
    if isinstance(measured, Crossover):
        return for_crossover(claim.resolution_px, measured)
    return for_ratio(measured, reading.value * (1 - tolerance))


def _pairs(machine: Machine, model: str, opponent: str) -> Iterator[tuple[Key, Key]]:
    """Cells of the two models that differ in nothing but model and backend. The device was in the same state."""
    keys = [key for key in machine.evidence.rows if key.backend != NO_CONTENDER]
    theirs: dict[Key, list[Key]] = {}
    for key in keys:
        if key.model == opponent:
            theirs.setdefault(key.without("model", "backend"), []).append(key)
    for key in keys:
        if key.model == model:
            for other in theirs.get(key.without("model", "backend"), ()):
                if _states(machine, key) == _states(machine, other):
                    yield key, other


def _states(machine: Machine, key: Key) -> set[str]:
    """States, burst or sustained, in which a cell's rows were measured."""
    return {row.state for row in machine.evidence.rows[key] if row.measured}
