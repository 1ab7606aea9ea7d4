"""Growth exponents drawn: marks with intervals beside lines for linear and quadratic growth."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from dig_bench.render.numbers import interval
from dig_bench.render.style import LIGHT
from dig_bench.results.scaling import Exponent

UNIT = "exponent of the number of tokens"

CAPTION = (
    "1 is linear growth, 2 quadratic. Exponents are slopes of least-squares lines through the logarithms, with "
    "Student's 95 % interval, which is wide where a single power does not describe the points."
)


def mark(axes: Axes, place: float, fit: Exponent | pd.Series, **look: Any) -> None:
    """Draws an exponent and its interval in a row of the axes. `look` holds matplotlib's arguments."""
    ends = [[fit.value - fit.low], [fit.high - fit.value]]
    axes.errorbar(fit.value, place, xerr=ends, capsize=2, elinewidth=1, **look)


def reference_lines(axes: Axes, smallest: float, largest: float) -> None:
    """Draws lines at linear and quadratic growth and makes room for exponents between `smallest` and `largest`."""
    for power in (1, 2):
        axes.axvline(power, color=LIGHT["muted"], linewidth=1, zorder=1)
    axes.set_xlim(min(0.0, smallest) - 0.25, max(2.0, largest) + 0.25)


def fit_text(fit: Exponent | pd.Series) -> str:
    """`1.85 (1.71 to 1.99), 8 points`."""
    return f"{interval(fit.value, fit.low, fit.high)}, {fit.num_points} points"
