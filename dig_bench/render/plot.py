"""A figure with what a reader needs around it, as files and as markup for a page."""

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
from matplotlib.figure import Figure

from dig_bench.cell import MEASURED
from dig_bench.render.numbers import MISSING, interval, percent, status_words
from dig_bench.render.style import LIGHT, RC, Look
from dig_bench.render.text import plain
from dig_bench.results.names import size_rank

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_COLOR = re.compile("|".join(LIGHT.values()))
_VARIABLES = {light: f"var(--{name})" for name, light in LIGHT.items()}


@dataclass(frozen=True, kw_only=True)
class Plot:
    topic: str
    """`speed`, `memory`, ..."""
    name: str
    """Of the files, and the prefix of the ids inside the drawing: unique in a document."""
    title: str
    conditions: str
    """How its rows were measured, as the drawing says."""
    unit: str
    """Of the table's figures."""
    caption: str
    """What to look at."""
    alt: str
    """What a reader who cannot see the drawing should know of it."""
    figure: Figure
    table: pd.DataFrame
    """The drawing's figures as text; the index is its first column."""

    def save(self, folder: Path, *, name: str | None = None) -> list[Path]:
        """Writes NAME.png and NAME.svg into an existing folder; the same rows give the same bytes."""
        png, svg = (folder / f"{name or self.name}.{kind}" for kind in ("png", "svg"))
        with matplotlib.rc_context(RC):
            self.figure.savefig(png, dpi=200, metadata={"Software": None})
        svg.write_text(self.svg, encoding="utf-8")
        return [png, svg]

    @cached_property
    def svg(self) -> str:
        buffer = StringIO()
        with matplotlib.rc_context(RC):
            self.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return buffer.getvalue()

    def markup(self) -> str:
        """The SVG as an element of an HTML page: its colours are the page's variables, its ids are its own."""
        root = ElementTree.fromstring(self.svg)
        for parent in list(root.iter()):
            for child in list(parent):
                # The style element would hold for the whole page.
                if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                    parent.remove(child)
        for element in root.iter():
            self._adapt(element.attrib, is_group=element.tag == f"{{{_SVG}}}g")
        root.attrib.pop("width"), root.attrib.pop("height")
        root.attrib |= {"role": "img", "aria-label": plain(f"{self.title}. {self.alt}", 4000)}
        ElementTree.register_namespace("", _SVG)
        return ElementTree.tostring(root, encoding="unicode")

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


def plot_of_curves(
    figure: Figure,
    points: pd.DataFrame,
    look: Look,
    *,
    topic: str,
    unit: str,
    name: str,
    conditions: str,
    title: str,
    caption: str,
    index: str = "resolution_px",
) -> Plot:
    """With the points as its table and in words."""
    table, alt = tabulated(points, look.order(points), unit=unit, index=index)
    return Plot(
        topic=topic,
        name=name,
        conditions=conditions,
        title=title,
        unit=unit,
        caption=caption,
        alt=alt,
        figure=figure,
        table=table,
    )


def tabulated(points: pd.DataFrame, names: Sequence[str], *, unit: str, index: str) -> tuple[pd.DataFrame, str]:
    """Points as text, a column a name, a row a value of the column `index`; and the row with the most in words."""
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
    return text if pd.isna(saving) else f"{text}; memory {percent(-saving)}"
