"""The paper's claims, and their readings: what the abstract says, and what the paper's own figures show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from dig_bench import paper
from dig_bench.claims.conditions import Figure
from dig_bench.claims.verdict import TOLERANCE

Quantity = Literal["speedup", "memory_saving", "crossover_px"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A claimed value and the model that it is claimed against, by the abstract or by the paper's own figure."""

    against: str
    """Model and backend: `DiT-S/2@math`."""
    value: float
    """The other model's value over DiG's (for a memory saving the ratio of memories), or a resolution in px."""
    source: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of the paper."""

    id: str
    text: str
    figure: Figure
    quantity: Quantity
    model: str
    resolution_px: int
    source: str
    readings: tuple[Reading, ...]
    """The abstract's reading first."""

    @property
    def claimed(self) -> Reading:
        """The abstract's reading."""
        return self.readings[0]


def claims(tolerance: float = TOLERANCE) -> list[Claim]:
    """All claims of the paper. One that differs from its figure by more than the tolerance has further readings."""
    return [_claim(record, tolerance) for record in paper.claims().to_dict("records")]


def shown_px(claim: Claim, against: str) -> list[int]:
    """Returns the resolutions at which the paper's figure shows both models of a pair."""
    ratios = paper.ratios(claim.figure, claim.model)
    return [int(px) for px in ratios.loc[ratios["against"] == against, "resolution_px"]]


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
    """Readings beside the abstract's.

    A crossover is read against each other curve of the figure. A ratio that its own figure contradicts is read as what
    the figure shows for the pair, and against the models for which the figure does show the claimed value.
    """
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
            yield Reading(against=against, value=ratio, source="the pair for which the paper's own figure shows it")


def _close(one: float, other: float, tolerance: float) -> bool:
    return abs(one / other - 1) <= tolerance
