"""The rate of false alarms, limited over all findings of a comparison, and the outlook of what stays undecided."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dig_bench.compare.decision import Decision, Verdict
from dig_bench.compare.finding import Finding
from dig_bench.compare.modes import chance_of_modes, processes_against_modes, split
from dig_bench.compare.outlook import outlook

_P_VALUES: dict[Verdict, Callable[[Decision], float | None]] = {
    "slower": lambda decision: decision.p_slower,
    "faster": lambda decision: decision.p_faster,
}


def limit_errors(findings: Sequence[Finding], rate: float) -> list[Finding]:
    """Makes findings undecided whose verdict holds on its own but not among all, and adds what would decide them.

    Half of `rate` is for noise of one mode: Holm's procedure limits the probability that any value that varies between
    processes is called slower without being so, and the same for faster. The other half is for noise of two modes: a
    verdict is not given where the splits of other cells say that one like it is likely to come about by chance.
    """
    found = list(findings)
    among = _Among(size=sum(finding.varies for finding in found), rate=rate / 2, splits=_splits(found))
    for verdict, p_value in _P_VALUES.items():
        p_values = {
            index: p
            for index, finding in enumerate(found)
            if finding.decision and (p := p_value(finding.decision)) is not None
        }
        rejected = dict(zip(p_values, holm(list(p_values.values()), among.rate), strict=True))
        for index, stands in rejected.items():
            if found[index].verdict == verdict and (doubt := among.doubt(found[index], stands=stands)):
                found[index] = replace(found[index], verdict="undecided", note=f"{verdict} on its own, but {doubt}")
    return [among.with_outlook(finding) if finding.verdict == "undecided" else finding for finding in found]


def holm(p_values: Sequence[float], rate: float) -> list[bool]:
    """Returns which hypotheses are rejected at a family-wise error rate of `rate` (Holm 1979), in their order."""
    rejected = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > rate / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected


@dataclass(frozen=True, kw_only=True)
class _Among:
    """All findings, among which a single one is judged."""

    size: int
    """Number of values that vary between processes."""
    rate: float
    """Rate of false alarms, for noise of one mode and of two modes each."""
    splits: Mapping[str, Sequence[float]]
    """Largest split within a side of each cell, by metric."""

    def doubt(self, finding: Finding, *, stands: bool) -> str:
        """Returns the reason why a verdict does not hold among all, empty if it does. `stands` is Holm's answer."""
        if not stands:
            return f"within chance among {self.size} values"
        processes = len(finding.base) + len(finding.candidate)
        if chance_of_modes(finding.excess, self._others(finding), processes) > self.rate:
            return "processes of the same code differ as much in other cells"
        return ""

    def with_outlook(self, finding: Finding) -> Finding:
        """Adds what would decide an undecided finding."""
        if finding.decision is None:
            return finding
        modes = finding.varies and finding.excess > 0
        found = outlook(
            finding.decision,
            finding.limit,
            significance=self.rate / max(self.size, 1),
            at_least=processes_against_modes(finding.excess, self._others(finding), self.rate) if modes else 0,
        )
        return replace(finding, note="; ".join(filter(None, (finding.note, found.text))), more_processes=found.more)

    def _others(self, finding: Finding) -> list[float]:
        """Returns the splits of the same metric in the other cells."""
        others = list(self.splits[finding.metric])
        others.remove(_split(finding))
        return others


def _splits(findings: Sequence[Finding]) -> dict[str, list[float]]:
    splits: dict[str, list[float]] = {}
    for finding in findings:
        if finding.varies:
            splits.setdefault(finding.metric, []).append(_split(finding))
    return splits


def _split(finding: Finding) -> float:
    return max(split([math.log(value) for value in side]) for side in (finding.base, finding.candidate))
