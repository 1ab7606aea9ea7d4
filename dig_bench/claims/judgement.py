"""The paper's claims, each judged under every condition that it was measured under."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from dig_bench import paper
from dig_bench.cell import Cell
from dig_bench.claims import verdict as verdicts
from dig_bench.claims.conditions import Conditions, Figure
from dig_bench.claims.measured import Machine, Ratio, memory_ratio, speed_ratio
from dig_bench.claims.verdict import Crossover, Verdict

Quantity = Literal["speedup", "memory_saving", "crossover_px"]

_NO_CONTENDER = "reference"
"""A specification, not made to be fast."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is claimed against whom: the abstract's words, or what the paper's own figure says instead."""

    against: str
    """DiT-S/2@math"""
    value: float
    """A ratio, theirs over ours (a memory saving as the ratio of memories), or a resolution in px."""
    source: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A reading under one set of conditions."""

    reading: Reading
    conditions: Conditions
    measured: Ratio | Crossover
    verdict: Verdict
    departures: tuple[str, ...]
    """From what is known of the paper's conditions."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    id: str
    text: str
    figure: Figure
    quantity: Quantity
    model: str
    resolution_px: int
    source: str
    readings: tuple[Reading, ...]
    """The abstract's first."""

    @property
    def claimed(self) -> Reading:
        return self.readings[0]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    claim: Claim
    findings: tuple[Finding, ...]
    """The nearest to the paper's conditions first."""
    missing: tuple[str, ...]
    """Why there is no finding of the claim's own, in words."""

    @property
    def closest(self) -> Finding | None:
        """Of the abstract's reading, against the very backend that it names."""
        reading = self.claim.claimed
        own = (each for each in self.findings if each.reading == reading)
        return next((each for each in own if each.conditions.theirs == reading.against), None)

    @property
    def verdict(self) -> Verdict:
        return self.closest.verdict if self.closest else "not measured"

    @property
    def others(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each is not self.closest)


def claims(tolerance: float = verdicts.TOLERANCE) -> list[Claim]:
    """The paper's. What counts as a disagreement within the paper is beyond the tolerance, too."""
    return [_claim(record, tolerance) for record in paper.claims().to_dict("records")]


def judge(machines: Sequence[Machine], claim: Claim, *, tolerance: float = verdicts.TOLERANCE) -> Judgement:
    found = [
        finding
        for reading in claim.readings
        for machine in machines
        for finding in _findings(machine, claim, reading, tolerance)
    ]
    order = {reading: place for place, reading in enumerate(claim.readings)}
    found.sort(key=lambda each: (order[each.reading], each.conditions.distance(claim.figure, each.reading.against)))
    judgement = Judgement(claim=claim, findings=tuple(found), missing=())
    return judgement if judgement.closest else replace(judgement, missing=tuple(_missing(machines, claim)))


def _claim(record: dict[Any, Any], tolerance: float) -> Claim:
    value = float(record["value"])
    first = Reading(
        against=str(record["against"]),
        value=1 / (1 - value) if record["quantity"] == "memory_saving" else value,
        source="the abstract",
    )
    claim = Claim(
        id=str(record["id"]),
        text=str(record["claim"]),
        figure=record["figure"],
        quantity=record["quantity"],
        model=str(record["model"]),
        resolution_px=int(record["resolution_px"]),
        source=str(record["source"]),
        readings=(first,),
    )
    return replace(claim, readings=(first, *_other_readings(claim, tolerance)))


def _other_readings(claim: Claim, tolerance: float) -> Iterator[Reading]:
    """Of a crossover: the other curves of the figure. Of a ratio that the figure does not bear out: what it shows for
    the pair, and the pairs for which it shows what is claimed."""
    ratios = paper.ratios(claim.figure, claim.model, claim.quantity)
    first = claim.claimed
    if claim.quantity == "crossover_px":
        for against in dict.fromkeys(ratios["against"]):
            if against != first.against:
                yield replace(first, against=against, source="the abstract's 'others'")
        return
    at_claim = ratios[ratios["resolution_px"] == claim.resolution_px]
    shown: dict[str, float] = dict(zip(at_claim["against"], at_claim["ratio"], strict=True))
    if first.against not in shown or _close(shown[first.against], first.value, tolerance):
        return
    yield Reading(against=first.against, value=shown[first.against], source="the paper's own figure")
    for against, ratio in shown.items():
        if _close(ratio, first.value, tolerance):
            yield Reading(against=against, value=ratio, source="the pair of which the paper's own figure shows it")


def _close(one: float, other: float, tolerance: float) -> bool:
    return abs(one / other - 1) <= tolerance


def _findings(machine: Machine, claim: Claim, reading: Reading, tolerance: float) -> Iterator[Finding]:
    opponent = reading.against.partition("@")[0]
    of_claim = claim.quantity != "crossover_px"
    series: dict[tuple[Cell, str], list[tuple[int, Ratio]]] = {}
    for ours, theirs in _pairs(machine, claim.model, opponent):
        if of_claim and ours.resolution_px != claim.resolution_px:
            continue
        ratio = (memory_ratio if claim.quantity == "memory_saving" else speed_ratio)(machine.processes, ours, theirs)
        if ratio:
            series.setdefault((ours.without("resolution_px"), theirs.name), []).append((ours.resolution_px, ratio))
    for (ours, their_name), curve in series.items():
        measured = curve[0][1] if of_claim else verdicts.crossover(sorted(curve, key=lambda point: point[0]))
        conditions = Conditions.of(ours, their_name, device_name=machine.device_name, source=machine.processes.source)
        yield Finding(
            reading=reading,
            conditions=conditions,
            measured=measured,
            verdict=_verdict(claim, reading, measured, tolerance),
            departures=tuple(conditions.departures(claim.figure, reading.against)),
        )


def _verdict(claim: Claim, reading: Reading, measured: Ratio | Crossover, tolerance: float) -> Verdict:
    if isinstance(measured, Crossover):
        return verdicts.of_crossover(claim.resolution_px, measured)
    return verdicts.of_ratio(reading.value, measured, tolerance)


def _pairs(machine: Machine, model: str, opponent: str) -> Iterator[tuple[Cell, Cell]]:
    """Ours and theirs, equal in all but the model and its backend."""
    keys = [key for key in machine.processes.rows if key.backend != _NO_CONTENDER]
    theirs: dict[Cell, list[Cell]] = {}
    for key in keys:
        if key.model == opponent:
            theirs.setdefault(replace(key, model="", backend=""), []).append(key)
    for key in keys:
        if key.model == model:
            for other in theirs.get(replace(key, model="", backend=""), ()):
                yield key, other


def _missing(machines: Sequence[Machine], claim: Claim) -> Iterator[str]:
    """What the claim's own reading lacks: rows, or figures in them."""
    model, _, backend = claim.claimed.against.partition("@")
    where = "" if claim.quantity == "crossover_px" else f" at {claim.resolution_px} px"
    for name, wanted in ((claim.model, None), (model, backend)):
        rows = [
            (key, machine.processes.status(key))
            for machine in machines
            for key in machine.processes.rows
            if key.model == name
            and key.backend == (wanted or key.backend)
            and (not where or key.resolution_px == claim.resolution_px)
        ]
        called = f"{name}@{wanted}" if wanted else name
        if not rows:
            yield f"no row of {called}{where}"
        elif failed := sorted({status for _, status in rows if status not in ("ok", "noisy")}):
            yield f"{called}{where}: {', '.join(failed)}"
