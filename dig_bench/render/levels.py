"""Levels of verdicts and statuses, with their looks on a terminal, on a page and in Markdown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Level:
    """One of four. A verdict or a status maps to a level in `level_of`, and nowhere else."""

    name: str
    """CSS class, and name of the colour in `render.style`."""
    terminal: str
    """Style of rich."""
    sign: str
    """In Markdown, where there are no colours."""


GOOD = Level(name="good", terminal="green", sign="✅")
WARN = Level(name="warn", terminal="yellow", sign="❔")
BAD = Level(name="bad", terminal="bold red", sign="❌")
MUTED = Level(name="muted", terminal="dim", sign="")

_LEVELS: dict[str, Level] = {
    # Statuses of rows.
    "ok": GOOD,
    "noisy": WARN,
    "throttled": WARN,
    "unsupported": MUTED,
    "oom": BAD,
    "timeout": BAD,
    "crashed": BAD,
    "mismatch": BAD,
    # compare and history.
    "slower": BAD,
    "worse": BAD,
    "faster": GOOD,
    "better": GOOD,
    "same": MUTED,
    "new": MUTED,
    "undecided": WARN,
    # Outcomes of a comparison.
    "fine": GOOD,
    "regression": BAD,
    "environments differ": BAD,
    "nothing measured": BAD,
    # claims.
    "exceeded": GOOD,
    "reproduced": GOOD,
    "not reproduced": BAD,
    "not measured": MUTED,
    # parity.
    "in parity": GOOD,
    "different": BAD,
    "inconclusive": WARN,
    # doctor.
    "optional": WARN,
    "missing": BAD,
}


def level_of(verdict: str | None) -> Level:
    """Returns the level of a verdict or of a row's status; MUTED for None. Raises KeyError for an unknown verdict."""
    return MUTED if verdict is None else _LEVELS[verdict]
