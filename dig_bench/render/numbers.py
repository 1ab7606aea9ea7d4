"""Numbers as tables, pages, figures and terminals show them: the one place that formats them."""

from __future__ import annotations

import math
from typing import Any

MISSING = "\N{EN DASH}"

_STATUS_WORDS = {"oom": "out of memory", "timeout": "timed out"}


def significant(value: Any, digits: int = 3) -> str:
    """Returns a number with this many significant digits and grouped thousands: 0.0123, 4.57, 12,346."""
    if value is None or value != value:
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if not -6 <= magnitude < 15:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(digits - 1 - magnitude, 0)}f}"


def percent(fraction: float, *, digits: int | None = None, signed: bool = False) -> str:
    """-0.805 -> `-80 %`, with a decimal between 99 % and 100 %: `99.6 %`. `digits` sets the number of decimals, and
    `signed` writes a plus before positive values."""
    if fraction != fraction:
        return MISSING
    if digits is None:
        digits = 1 if 0.99 < abs(fraction) < 1 else 0
    return f"{100 * fraction:{'+' if signed else ''}.{digits}f}\N{NO-BREAK SPACE}%"


def fine_percent(fraction: float, digits: int = 3) -> str:
    """0.00139 -> `0.139 %`, 0.025 -> `2.5 %`: significant digits, for thresholds, rates and noise."""
    return MISSING if fraction != fraction else f"{100 * fraction:.{digits}g}\N{NO-BREAK SPACE}%"


def interval(value: float, low: float, high: float) -> str:
    """`2.10 (2.05 to 2.15)`; `2.10` without an interval."""
    if low != low or high != high:
        return significant(value)
    return f"{significant(value)} ({significant(low)} to {significant(high)})"


def status_words(status: str) -> str:
    """`oom` -> `out of memory`."""
    return _STATUS_WORDS.get(status, status)


def factor(value: float) -> str:
    """A ratio near 1 with three decimals, 1.052; four significant digits from 100 on."""
    return f"{value:.3f}" if value < 100 else f"{value:.4g}"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 90 else f"{minutes} min"
