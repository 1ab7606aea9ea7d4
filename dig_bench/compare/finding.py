"""A finding: the verdict on one metric of one cell."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dig_bench.compare.decision import Decision, Verdict
from dig_bench.results.metrics import Threshold


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The verdict on one metric of one cell."""

    metric: str
    verdict: Verdict
    """Verdict of the decision, or `undecided` where the decision holds on its own but not among all findings."""
    decision: Decision | None
    """None when a side has no value."""
    threshold: Threshold
    base: tuple[float, ...]
    """Values of the base's processes."""
    candidate: tuple[float, ...]
    """Values of the candidate's processes."""
    note: str = ""
    """Reason why it is undecided, where the interval does not show it, and what would decide it."""
    more_processes: int | None = None
    """Further processes per side that would likely decide an undecided value; None if more cannot."""

    @property
    def suspected(self) -> bool:
        """True if the value is beyond its threshold when the metric is considered on its own."""
        return self.decision is not None and self.decision.verdict == "slower"

    @property
    def varies(self) -> bool:
        """True if the values vary between processes and are enough for a verdict."""
        return self.decision is not None and self.decision.p_slower is not None

    @property
    def limit(self) -> float:
        """Largest negligible difference of natural logarithms."""
        return self.threshold.log_limit(math.exp(math.fsum(map(math.log, self.base)) / len(self.base)))

    @property
    def excess(self) -> float:
        """Difference of natural logarithms beyond the limit, in either direction; negative within it."""
        ratio = self.decision.ratio if self.decision else 1.0
        return (abs(math.log(ratio)) if 0 < ratio < math.inf else math.inf) - self.limit
