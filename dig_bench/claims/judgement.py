"""A claim judged under every set of conditions that both of its models were measured under."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dig_bench.claims.claim import Claim
from dig_bench.claims.conditions import distance
from dig_bench.claims.finding import Finding, findings
from dig_bench.claims.machines import Machine
from dig_bench.claims.verdict import TOLERANCE, Verdict


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A claim and its findings."""

    claim: Claim
    findings: tuple[Finding, ...]
    """The abstract's reading first, and of each reading the finding nearest to the paper's conditions."""
    missing: tuple[str, ...]
    """Reasons why no finding is about the pair of models that the claim names."""

    @property
    def closest(self) -> Finding | None:
        """The abstract's reading under the conditions nearest to the paper's, against the backend that it names."""
        own = (each for each in self.findings if each.reading == self.claim.claimed)
        return next((each for each in own if each.is_against_the_claimed), None)

    @property
    def verdict(self) -> Verdict:
        """Verdict of the closest finding."""
        return self.closest.verdict if self.closest else "not measured"

    @property
    def others(self) -> tuple[Finding, ...]:
        """All findings but the closest."""
        return tuple(each for each in self.findings if each is not self.closest)


def judge(machines: Sequence[Machine], claim: Claim, *, tolerance: float = TOLERANCE) -> Judgement:
    """Judges a claim by everything that the machines measured."""
    found = [
        finding
        for reading in claim.readings
        for machine in machines
        for finding in findings(machine, claim, reading, tolerance)
    ]
    found.sort(
        key=lambda each: (
            claim.readings.index(each.reading),
            not each.is_against_the_claimed,
            distance(each.ours, claim.figure),
        )
    )
    judgement = Judgement(claim=claim, findings=tuple(found), missing=())
    return judgement if judgement.closest else replace(judgement, missing=tuple(_missing(machines, claim)))


def _missing(machines: Sequence[Machine], claim: Claim) -> Iterator[str]:
    """Rows that the abstract's reading lacks, and statuses of rows that have no value for it."""
    model, _, backend = claim.claimed.against.partition("@")
    where = "" if claim.quantity == "crossover_px" else f" at {claim.resolution_px} px"
    for name, wanted in ((claim.model, None), (model, backend)):
        statuses = [
            machine.evidence.status(key)
            for machine in machines
            for key in machine.evidence.rows
            if key.model == name
            and key.backend == (wanted or key.backend)
            and (not where or key.resolution_px == claim.resolution_px)
        ]
        called = f"{name}@{wanted}" if wanted else name
        if not statuses:
            yield f"no row of {called}{where}"
        elif failed := sorted({status for status in statuses if status not in ("ok", "noisy")}):
            yield f"{called}{where}: {', '.join(failed)}"
