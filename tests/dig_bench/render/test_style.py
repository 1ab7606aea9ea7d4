"""Looks: every shipped backend has its own marker, and a plugin's never changes another's."""

import pandas as pd

from dig_bench.render.style import BACKENDS, COLORS, Look, of_backend
from dig_bench.results.names import FAMILIES
from dig_models import CATALOG


def points(*names: str) -> pd.DataFrame:
    """Points of `family@backend`."""
    parts = [name.partition("@") for name in names]
    return pd.DataFrame({"name": names, "family": [a for a, _, _ in parts], "backend": [b for _, _, b in parts]})


def test_every_shipped_backend_is_listed() -> None:
    shipped = {backend for model in CATALOG.values() for backend in model.architecture.backends}
    assert shipped == set(BACKENDS)


def test_no_two_shipped_backends_share_a_marker() -> None:
    assert len({look["marker"] for look in BACKENDS.values()}) == len(BACKENDS)


def test_the_flagship_has_the_heaviest_line() -> None:
    others = [look.get("linewidth", 0) for name, look in BACKENDS.items() if name != "fused"]
    assert BACKENDS["fused"]["linewidth"] > max(others)


def test_a_plugin_s_backend_has_a_marker_of_its_own_whichever_plugins_there_are() -> None:
    alone, crowd = Look(points("DiG@fla", "Net@mine")), Look(points("DiG@fla", "Net@mine", "Net@aaa", "Net@zzz"))
    assert alone.of(points("Net@mine")) == crowd.of(points("Net@mine"))
    assert alone.of(points("DiG@fla")) == crowd.of(points("DiG@fla"))
    markers = {look["marker"] for look in BACKENDS.values()}
    assert not markers & {of_backend(name)["marker"] for name in map(str, range(100))}


def test_families_keep_their_colour() -> None:
    look = Look(points("DiT@math", "ANet@x", "BNet@y"))
    assert len({look.color(family) for family in (*FAMILIES, "ANet", "BNet")}) == 6
    assert look.color("DiG") == Look(points("DiG@fla")).color("DiG")


def test_legends_are_ordered_by_family_then_backend() -> None:
    shown = points("Net@zzz", "DiT@math", "DiG@fla", "DiG@fused", "Net@aaa")
    assert Look(shown).order(shown) == ["DiG@fused", "DiG@fla", "DiT@math", "Net@aaa", "Net@zzz"]


def test_light_colours_are_unique_so_that_each_identifies_its_variable() -> None:
    assert len({light for light, _ in COLORS.values()}) == len(COLORS)
