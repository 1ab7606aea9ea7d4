"""Growth exponents of a panel's models, over all resolutions and over the largest."""

from __future__ import annotations

from typing import Any

import matplotlib
import pandas as pd
from matplotlib.lines import Line2D

from dig_bench.render import drawing
from dig_bench.render.exponents import CAPTION, UNIT, fit_text, mark, reference_lines
from dig_bench.render.numbers import MISSING
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC, Look
from dig_bench.report import growth
from dig_bench.report.figures import Context
from dig_bench.report.panels import Panel

_SPANS = {"all": "all resolutions", "largest": f"the {growth.SPANS['largest']} largest"}
_MARKS: dict[str, dict[str, Any]] = {
    "all": {"marker": "o", "markerfacecolor": LIGHT["surface"]},
    "largest": {"marker": "o"},
}
_HINTS = {
    "time": "Kernel launches dominate small resolutions: the largest ones show how time grows further.",
    "memory": "Weights and optimiser state do not grow: the largest resolutions show how activations do.",
}


def draw(panel: Panel, context: Context) -> list[Plot]:
    """Returns a figure for time and one for memory, where a model has enough resolutions for a fit."""
    fits = growth.exponents(panel.rows)
    quantities = fits["quantity"].unique() if len(fits) else ()
    return [_exponents(panel, fits[fits["quantity"] == each], context.look, quantity=each) for each in quantities]


@matplotlib.rc_context(RC)
def _exponents(panel: Panel, fits: pd.DataFrame, look: Look, *, quantity: str) -> Plot:
    figure, axes = drawing.canvas(panel.label, xlabel=f"exponent a of {quantity} ~ tokens^a", ylabel="")
    order = look.order(fits)
    for _, fit in fits.iterrows():
        place = order.index(fit["name"]) + (-0.14 if fit["span"] == "all" else 0.14)
        mark(axes, place, fit, color=look.color(fit["family"]), **_MARKS[fit["span"]])
    reference_lines(axes, fits["value"].min(), fits["value"].max())
    drawing.rows(axes, order)
    entries = [
        Line2D([], [], label=text, color=LIGHT["ink"], linestyle="none", **_MARKS[span])
        for span, text in _SPANS.items()
    ]
    figure.legend(handles=entries, loc="outside lower left", ncols=len(entries))
    texts = fits.assign(text=[fit_text(fit) for _, fit in fits.iterrows()], span=fits["span"].map(_SPANS))
    table = texts.pivot(index="name", columns="span", values="text").reindex(index=order, columns=list(_SPANS.values()))
    table = table.fillna(MISSING).rename_axis("model")
    largest = "; ".join(f"{model} {text}" for model, text in table.iloc[:, -1].items())
    return Plot(
        topic="growth",
        name=f"growth-{quantity}-{panel.slug}",
        title=f"Growth of {quantity} with the number of tokens",
        conditions=panel.label,
        unit=UNIT,
        caption=f"{CAPTION} Bars may end outside the figure; the table has them in full. {_HINTS[quantity]}",
        alt=f"Marks with intervals. Exponents over {_SPANS['largest']} resolutions: {largest}.",
        figure=figure,
        table=table,
    )
