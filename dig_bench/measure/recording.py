"""Recording of a GPU's energy counter and state over a pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from dig_bench.measure.nvml import HARMFUL

MIN_MOVES = 3
"""Fewest advances of the energy counter for a mean power: the first one covers time before the recording."""

MIN_SHARE = 0.1
"""A throttle reason counts if it holds in at least this share of the looks."""


@dataclass(kw_only=True)
class Recording:
    """Readings with their monotonic times in s, ascending."""

    moves: list[tuple[float, int]] = field(default_factory=list)
    """Advances of the energy counter, about every 100 ms: time, millijoules."""
    states: list[tuple[float, int | None, int | None, str]] = field(default_factory=list)
    """Time, SM clock in MHz, temperature in C, throttle reasons separated by spaces."""

    def between(self, begin_s: float, end_s: float = math.inf) -> Recording:
        """Returns the part of the recording in this time."""
        return Recording(
            moves=[move for move in self.moves if begin_s <= move[0] <= end_s],
            states=[state for state in self.states if begin_s <= state[0] <= end_s],
        )

    @property
    def power_w(self) -> float | None:
        """Mean power between the second advance of the counter and the last; None for fewer than MIN_MOVES."""
        if len(self.moves) < MIN_MOVES:
            return None
        (begin_s, begin_mj), (end_s, end_mj) = self.moves[1], self.moves[-1]
        return (end_mj - begin_mj) / 1e3 / (end_s - begin_s)

    @property
    def sm_clock_mhz(self) -> float | None:
        """Mean SM clock."""
        clocks = [clock for _, clock, _, _ in self.states if clock is not None]
        return sum(clocks) / len(clocks) if clocks else None

    @property
    def temperature_c(self) -> float | None:
        """Last temperature."""
        return next((float(each[2]) for each in reversed(self.states) if each[2] is not None), None)

    @property
    def throttle_reasons(self) -> tuple[str, ...]:
        """Reasons that hold in at least MIN_SHARE of the looks."""
        looks = [reasons.split() for *_, reasons in self.states]
        names = dict.fromkeys(name for look in looks for name in look)
        return tuple(name for name in names if sum(name in look for look in looks) >= MIN_SHARE * len(looks))

    @property
    def harmful(self) -> tuple[str, ...]:
        """Throttle reasons that make a measurement unrepresentative of a healthy GPU."""
        return tuple(reason for reason in self.throttle_reasons if reason in HARMFUL)
