"""What a page of profiles answers first: why its first model is faster, or slower, and what keeps it from its roofs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dig_bench.profile.output.figures import difference
from dig_bench.profile.output.figures_roofs import losses
from dig_bench.profile.output.groups import at_largest, largest, regime, rivals
from dig_bench.profile.record import Profile
from dig_bench.render.plot import Plot


def answers(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """Of the first model, at its largest resolution: the difference to its rival, and its losses."""
    beside = rivals(profiles)
    for group, profile in largest(profiles, of_first=True):
        if pair := beside.get(regime(profile)):
            yield difference(pair)
        yield losses(profile, group)


def beside_others(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """The differences to all others, each at the largest resolution that there is for both."""
    shown = rivals(profiles).values()
    for pair in at_largest(profiles):
        if pair not in shown:
            yield difference(pair)
