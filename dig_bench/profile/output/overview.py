"""First figures of a page of profiles: why the first model is faster or slower, and what it loses to the roofline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dig_bench.profile.output.figures import difference
from dig_bench.profile.output.figures_roofline import losses
from dig_bench.profile.output.groups import at_largest, conditions_of, largest, rivals
from dig_bench.profile.record import Profile
from dig_bench.render.plot import Plot


def answers(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """Draws the difference between the first model and its rival, and its losses, at the largest resolution.

    Draws nothing from profiles that are not representative.
    """
    beside = rivals(profiles)
    for group, profile in largest(profiles, of_first=True):
        pair = beside.get(conditions_of(profile))
        if pair and pair.is_representative:
            yield difference(pair)
        if profile.is_representative and profile.roofline:
            yield losses(profile, group)


def beside_others(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """Draws the differences to all other models, each at the largest resolution that both have."""
    shown = rivals(profiles).values()
    for pair in at_largest(profiles):
        if pair not in shown and pair.is_representative:
            yield difference(pair)
