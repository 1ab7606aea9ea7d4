"""Shell completion: the values that options and arguments take.

Each function takes what is typed so far and returns the values that complete it, some with a help text. In a list, the
part after the last comma is completed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from dig_bench.cell import EXECUTIONS, MODES, PRECISIONS

Complete = Callable[[str], list[str]]


def modes(incomplete: str) -> list[str]:
    return _last_part(incomplete, MODES)


def precisions(incomplete: str) -> list[str]:
    return _last_part(incomplete, PRECISIONS)


def executions(incomplete: str) -> list[str]:
    return _last_part(incomplete, EXECUTIONS)


def devices(incomplete: str) -> list[str]:
    return _last_part(incomplete, ("auto", "cpu", "cuda"))


def metrics(incomplete: str) -> list[str]:
    from dig_bench.results.metrics import METRICS

    return _last_part(incomplete, METRICS)


def presets(incomplete: str) -> list[tuple[str, str]]:
    from dig_bench.plan.presets import PRESETS

    return [(name, preset.summary) for name, preset in PRESETS.items() if name.startswith(incomplete)]


def states(incomplete: str) -> list[str]:
    from dig_bench.protocol import STATES

    return _last_part(incomplete, STATES)


def samplers(incomplete: str) -> list[str]:
    from dig_models.samplers import SAMPLERS

    return _last_part(incomplete, SAMPLERS)


def models(incomplete: str) -> list[str]:
    """Completes names, and after an `@` backends.

    Bash splits words at an `@` unless ~/.bashrc says `COMP_WORDBREAKS=${COMP_WORDBREAKS//@}`.
    """
    from dig_bench.plan import plugins
    from dig_models import CATALOG

    with suppress(ValueError):
        plugins.load()
    name = incomplete.rpartition(",")[2].partition("@")[0]
    backends = CATALOG[name].architecture.backends if name in CATALOG else ()
    return _last_part(incomplete, [*CATALOG, *(f"{name}@{backend}" for backend in backends)])


def _last_part(incomplete: str, choices: Iterable[str]) -> list[str]:
    head, comma, last = incomplete.rpartition(",")
    return [f"{head}{comma}{each}" for each in choices if each.startswith(last)]
