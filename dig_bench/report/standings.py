"""Words for the resolutions at which a model is faster, slower or indistinguishable, and for the crossover."""

from __future__ import annotations

from collections.abc import Sequence

from dig_bench.results.scaling import Stretch


def standing_words(stretches: Sequence[Stretch]) -> list[str]:
    """`slower at 256 px`, `indistinguishable at 512 px`, `faster from 768 to 2048 px`."""
    return [f"{each.standing} {_place(each)}" for each in stretches]


def crossover_range(stretches: Sequence[Stretch]) -> str:
    """Returns `the crossover lies between 256 and 768 px`, `below 512 px`.

    Empty where the intervals of neighbouring resolutions separate, or where there is no crossover for certain.
    """
    if len(stretches) < 2 or stretches[-1].standing == "indistinguishable":
        return ""
    *before, unsure, last = stretches
    if unsure.standing != "indistinguishable":
        return ""
    if not before:
        return f"a crossover, if there is one, lies below {last.first_px:.0f} px"
    if before[-1].standing == last.standing:
        return ""
    return f"the crossover lies between {before[-1].last_px:.0f} and {last.first_px:.0f} px"


def joined(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _place(stretch: Stretch) -> str:
    if stretch.first_px == stretch.last_px:
        return f"at {stretch.first_px:.0f} px"
    return f"from {stretch.first_px:.0f} to {stretch.last_px:.0f} px"
