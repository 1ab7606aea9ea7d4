"""Looks of figures and pages: one table of colours for both, a colour per family, a marker and a line per backend.

Colours are Okabe and Ito's, which colour-blind readers can distinguish (https://jfly.uni-koeln.de/color/). Figures are
drawn in the light variants; inside a page each of these colours becomes a CSS variable, so that one drawing suits light
pages, dark pages and print.
"""

from __future__ import annotations

import zlib
from itertools import product
from typing import Any

import pandas as pd

from dig_bench.results.names import FAMILIES, place

# Name of the CSS variable: colour on a light page, on a dark one. The light colour of a mark identifies its variable:
# no two of them are equal.
COLORS: dict[str, tuple[str, str]] = {
    "page": ("#f6f7f9", "#0f1215"),
    "surface": ("#ffffff", "#171b20"),
    "ink": ("#1b1f24", "#e7eaee"),
    "muted": ("#57606a", "#a3adb8"),
    "grid": ("#dde2e8", "#323a43"),
    "accent": ("#0a5a8f", "#7cc0ee"),
    "good": ("#14694a", "#5fd0a3"),
    "warn": ("#8a5200", "#f0b35a"),
    "bad": ("#a8321a", "#ff9b85"),
    "family-0": ("#0072b2", "#3f9edb"),
    "family-1": ("#d55e00", "#ef7d2a"),
    "family-2": ("#009e73", "#22b98c"),
    "family-3": ("#cc79a7", "#dd93bb"),
    "family-4": ("#e69f00", "#f0b83a"),
    "family-5": ("#56b4e9", "#a5daf7"),
    "family-6": ("#000000", "#ffffff"),
}
LIGHT = {name: light for name, (light, _) in COLORS.items()}

_FAMILY_COLORS = [light for name, light in LIGHT.items() if name.startswith("family-")]

Line = str | tuple[float, tuple[float, ...]]
_SOLID: Line = "solid"
_DOTS: Line = (0, (1, 1.3))
_DASH_DOT: Line = (0, (6, 1.5, 1, 1.5))
_DASH_DOT_DOT: Line = (0, (8, 1.5, 1, 1.5, 1, 1.5))

PAPER: dict[str, Any] = {
    "linestyle": (0, (4, 2.5)),
    "linewidth": 1,
    "markersize": 3.5,
    "markeredgewidth": 0.8,
    "markerfacecolor": LIGHT["surface"],
    "alpha": 0.8,
}
"""The paper's curves: thin, hollow, and the only ones in plain dashes."""

BACKENDS: dict[str, dict[str, Any]] = {
    "fused": {"marker": "*", "linestyle": _SOLID, "linewidth": 2.4, "markersize": 8},
    "fused-flash3": {"marker": "H", "linestyle": _DASH_DOT_DOT, "linewidth": 2.0, "markersize": 7},
    "fla": {"marker": "o", "linestyle": _SOLID},
    "math": {"marker": "s", "linestyle": _SOLID},
    "mamba-ssm": {"marker": "^", "linestyle": _SOLID},
    "flash2": {"marker": "D", "linestyle": _DOTS},
    "cudnn": {"marker": "v", "linestyle": _DASH_DOT},
    "flash3": {"marker": "P", "linestyle": _DASH_DOT_DOT},
    "chunked": {"marker": "p", "linestyle": _DOTS},
    "reference": {"marker": "X", "linestyle": _DASH_DOT},
    "sdpa": {"marker": "h", "linestyle": _SOLID},
}
"""Shipped backend -> its marker and line, in the order of legends. The project's own backend stands out."""

_OTHER_BACKENDS = [
    {"marker": marker, "linestyle": line}
    for line, marker in product((_DASH_DOT, _DOTS, _DASH_DOT_DOT), ("<", ">", "8", "d"))
]

RC: dict[Any, Any] = {
    "figure.facecolor": LIGHT["surface"],
    "savefig.facecolor": LIGHT["surface"],
    "axes.facecolor": LIGHT["surface"],
    "axes.edgecolor": LIGHT["muted"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.titlecolor": LIGHT["ink"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.7,
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "xtick.labelcolor": LIGHT["ink"],
    "ytick.labelcolor": LIGHT["ink"],
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.labelcolor": LIGHT["ink"],
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    # Labels from a CSV are text, never formulas.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "dig-bench",
}


class Look:
    """Colours of families, markers and lines of backends: the same in every figure of one document."""

    def __init__(self, rows: pd.DataFrame) -> None:
        """Takes all rows of the document, with `family` and `backend`."""
        self._families = [*FAMILIES, *sorted(set(rows["family"]) - set(FAMILIES))]

    def color(self, family: str) -> str:
        """Returns a family's colour, one of LIGHT."""
        return _FAMILY_COLORS[self._families.index(family) % len(_FAMILY_COLORS)]

    def of(self, curve: pd.DataFrame) -> dict[str, Any]:
        """Returns matplotlib's arguments for the points of one model and backend."""
        return {"color": self.color(curve["family"].iloc[0]), **of_backend(curve["backend"].iloc[0])}

    def order(self, points: pd.DataFrame) -> list[str]:
        """Returns the names in the points in the order of a legend: by family, then backend."""
        columns = points[["name", "family", "backend"]].drop_duplicates("name").astype(str)
        shipped = list(BACKENDS)
        ranked = sorted(
            (self._families.index(family), place(backend, shipped), backend, name)
            for name, family, backend in columns.to_numpy()
        )
        return [name for *_, name in ranked]


def of_backend(name: str) -> dict[str, Any]:
    """Returns a backend's marker and line as matplotlib's arguments.

    A plugin's backend gets a marker that no shipped one has, chosen by its name: other plugins do not change it.
    """
    return BACKENDS.get(name) or _OTHER_BACKENDS[zlib.crc32(name.encode(errors="replace")) % len(_OTHER_BACKENDS)]


def css_variables() -> str:
    """Returns the colours as CSS variables: light, or dark where the reader prefers it; always light in print."""
    light = "".join(f"--{name}:{pair[0]};" for name, pair in COLORS.items())
    dark = "".join(f"--{name}:{pair[1]};" for name, pair in COLORS.items())
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
