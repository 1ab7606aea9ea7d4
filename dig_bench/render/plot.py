"""A figure with its title, caption, text alternative and table, as files and as markup for a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from dig_bench.cell import MEASURED
from dig_bench.render.numbers import MISSING, interval, percent, status_words
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import plain
from dig_bench.results.names import size_rank

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_COLOR = re.compile("|".join(LIGHT.values()))
_VARIABLES = {light: f"var(--{name})" for name, light in LIGHT.items()}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure and the texts around it."""

    topic: str
    """`speed`, `memory`, ..."""
    name: str
    """File name, and prefix of the ids inside the drawing: unique in a document."""
    title: str
    conditions: str
    """Conditions of measurement, the title inside the drawing."""
    unit: str
    """Unit of the table's values."""
    caption: str
    """One or two sentences on how to read the figure."""
    alt: str
    """Text for readers who cannot see the figure."""
    figure: Figure
    table: pd.DataFrame
    """The values that are drawn, as text; the index is the first column."""

    def save(self, folder: Path, *, name: str | None = None) -> list[Path]:
        """Writes NAME.png and NAME.svg into an existing folder. Equal rows give equal bytes."""
        png, svg = (folder / f"{name or self.name}.{kind}" for kind in ("png", "svg"))
        with matplotlib.rc_context(RC):
            self.figure.savefig(png, dpi=200, metadata={"Software": None})
        svg.write_text(self.svg, encoding="utf-8")
        return [png, svg]

    @cached_property
    def svg(self) -> str:
        """SVG document, colours in their light variants."""
        buffer = StringIO()
        with matplotlib.rc_context(RC):
            self.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return buffer.getvalue()

    def markup(self) -> Markup:
        """Returns the SVG as an element of an HTML page: colours are CSS variables, ids start with the plot's name."""
        root = ElementTree.fromstring(self.svg)
        for parent in list(root.iter()):
            for child in list(parent):
                # A style element would apply to the whole page.
                if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                    parent.remove(child)
        for element in root.iter():
            self._adapt(element.attrib, is_group=element.tag == f"{{{_SVG}}}g")
        root.attrib.pop("width"), root.attrib.pop("height")
        root.attrib |= {"role": "img", "aria-label": plain(f"{self.title}. {self.alt}", 4000)}
        ElementTree.register_namespace("", _SVG)
        return Markup(ElementTree.tostring(root, encoding="unicode"))

    def _adapt(self, attributes: dict[str, str], *, is_group: bool) -> None:
        if is_group:
            attributes.pop("id", None)
        elif "id" in attributes:
            attributes["id"] = f"{self.name}-{attributes['id']}"
        if _XLINK in attributes:
            attributes["href"] = f"#{self.name}-{attributes.pop(_XLINK).removeprefix('#')}"
        for name in {"clip-path", "style"} & attributes.keys():
            attributes[name] = attributes[name].replace("url(#", f"url(#{self.name}-")
        if "style" in attributes:
            attributes["style"] = _COLOR.sub(lambda color: _VARIABLES[color[0]], attributes["style"])


def tabulated(points: pd.DataFrame, names: Sequence[str], *, unit: str, index: str) -> tuple[pd.DataFrame, str]:
    """Returns points as a table and as a sentence for readers who cannot see the figure.

    The table has a column per name and a row per value of the column `index`; a point's `note` follows its value. The
    sentence holds the fullest row; of several, the last.
    """
    texts = points.assign(text=[_text(point) for _, point in points.iterrows()])
    table = texts.drop_duplicates([index, "name"]).pivot(index=index, columns="name", values="text")
    counts = points.groupby(index)["value"].count()
    if index == "size":
        counts = counts.sort_index(key=lambda sizes: sizes.map(size_rank))
    table = table.reindex(index=counts.index, columns=list(names)).fillna(MISSING)
    if index == "resolution_px":
        table = table.rename(index=lambda px: f"{px:.0f} px").rename_axis("resolution")
    fullest = table.iloc[int(np.flatnonzero(counts == counts.max())[-1])]
    values = "; ".join(f"{name} {text}" for name, text in fullest.items())
    return table, f"Curves of {', '.join(names)}. At {fullest.name}, in {unit}: {values}."


def _text(point: pd.Series) -> str:
    if pd.isna(point["value"]):
        return "not measured" if point["status"] in MEASURED else status_words(point["status"])
    text = interval(point["value"], point.get("low", np.nan), point.get("high", np.nan))
    saving = point.get("memory_saving", np.nan)
    text = text if pd.isna(saving) else f"{text}; memory {percent(-saving)}"
    return f"{text}; {note}" if (note := point.get("note", "")) else text
