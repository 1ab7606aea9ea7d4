"""Suggests the nearest name for a mistyped one."""

from collections.abc import Iterable


def suggest(name: str, choices: Iterable[str]) -> str:
    """Returns `'trian': did you mean train? choices are forward, train, sample`; names the first of many choices."""
    # dig_models imports PyTorch, which takes seconds that only a mistake has to wait for.
    from dig_models import suggest

    return suggest(name, choices)
