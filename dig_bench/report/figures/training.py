"""Parts of a training step: forward pass, backward pass, optimiser."""

from __future__ import annotations

import matplotlib
import pandas as pd

from dig_bench.render import drawing
from dig_bench.render.numbers import significant
from dig_bench.render.plot import Plot
from dig_bench.render.style import RC, Look
from dig_bench.report import tables
from dig_bench.report.figures import Context
from dig_bench.report.panels import Panel


def draw(panel: Panel, context: Context) -> list[Plot]:
    """Returns the figure where the panel has rows with timed parts."""
    parts = tables.training_parts(panel.rows)
    return [_parts(panel, parts, context.look)] if len(parts) else []


@matplotlib.rc_context(RC)
def _parts(panel: Panel, parts: pd.DataFrame, look: Look) -> Plot:
    figure, axes = drawing.canvas(panel.label, xlabel="latency of a training step (ms)", ylabel="")
    parts = parts.set_index("name").loc[look.order(parts)]
    values = parts[list(tables.PARTS)]
    drawing.fading_bars(axes, values, [look.color(family) for family in parts["family"]])
    total = "; ".join(f"{model} {significant(ms)}" for model, ms in values.sum(axis=1).items())
    return Plot(
        topic="training",
        name=f"training-{panel.slug}",
        title=f"Parts of a training step at {parts['resolution_px'].iloc[0]:.0f} px",
        conditions=panel.label,
        unit="ms",
        caption=(
            "Each part is timed separately. From strong to faint: forward pass, backward pass, optimiser (AdamW). Each "
            "bar has the colour of its model's family."
        ),
        alt=f"Stacked bars. Sum of the parts, in ms: {total}.",
        figure=figure,
        table=values.map(significant).rename_axis("model"),
    )
