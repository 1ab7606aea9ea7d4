"""The outlook of an undecided value: about how many more processes would decide it, or why more cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from dig_bench.compare.decision import DEFAULT_PROCESSES, MIN_PROCESSES, Decision

MOST_PROCESSES = 50
"""Processes per side beyond which more of them are no answer."""

_COUNTS = np.arange(MIN_PROCESSES, MOST_PROCESSES + 1)

_LIKELY = 0.8
"""Probability of a decision, if ratio and spread stay as they are, that the suggested number leads to."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    more: int | None
    """Further processes per side; None if MOST_PROCESSES in all would not decide it."""
    text: str
    """Empty where the spread between processes is still unknown."""


def outlook(decision: Decision, limit: float, *, significance: float, at_least: int = 0) -> Outlook:
    """Returns the outlook of an undecided value whose threshold is a logarithm of `limit`.

    A regression needs a probability of at most `significance`, and `at_least` processes per side.
    """
    now = min(decision.base_processes, decision.candidate_processes)
    if decision.standard_error is None or decision.degrees is None:
        if decision.ratio_high < math.inf:
            return Outlook(more=None, text="more processes cannot decide this: its values vary between processes")
        return Outlook(more=DEFAULT_PROCESSES - now, text="")
    sides = math.sqrt(1 / decision.base_processes + 1 / decision.candidate_processes)
    noise = _Noise(
        sd=decision.standard_error / sides,
        # Degrees beyond those of the processes are those of a noise that is known or shared.
        known_degrees=max(0.0, decision.degrees - decision.base_processes - decision.candidate_processes + 2),
    )
    difference = abs(math.log(decision.ratio)) if 0 < decision.ratio < math.inf else math.inf
    alone = (1 - decision.confidence) / 2
    if difference > limit:
        needed = noise.processes(difference - limit, min(alone, significance), _LIKELY)
    else:
        # Both ends of the interval must lie within the threshold.
        needed = noise.processes(limit - difference, alone, (1 + _LIKELY) / 2)
    if needed is not None and max(needed, at_least) <= MOST_PROCESSES:
        return _more(max(needed, at_least) - now)
    if noise.processes(limit, alone, (1 + _LIKELY) / 2) is None:
        spread = f"{100 * math.expm1(noise.sd):.2g} %"
        return Outlook(more=None, text=f"more processes cannot decide this: processes differ by {spread}")
    return Outlook(more=None, text="more processes cannot decide this: the difference is at the threshold")


def _more(count: int) -> Outlook:
    count = max(count, 1)
    return Outlook(more=count, text=f"about {count} more process{'es' if count > 1 else ''} a side would decide it")


@dataclass(frozen=True, kw_only=True)
class _Noise:
    sd: float
    """Standard deviation of log values between processes."""
    known_degrees: float

    def processes(self, distance: float, significance: float, likely: float) -> int | None:
        """Returns the processes per side that tell `distance` apart from zero with probability `likely`."""
        degrees = self.known_degrees + 2 * _COUNTS - 2
        margins = (stdtrit(degrees, 1 - significance) + stdtrit(degrees, likely)) * self.sd * np.sqrt(2 / _COUNTS)
        enough = _COUNTS[margins <= distance]
        return int(enough[0]) if len(enough) else None
