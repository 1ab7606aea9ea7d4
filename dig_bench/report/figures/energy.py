"""Energy over resolution: joules per image, power, energy-delay product."""

from __future__ import annotations

import matplotlib
import pandas as pd

from dig_bench.render import drawing
from dig_bench.render.curves import draw_curves, draw_legend
from dig_bench.render.plot import Plot, tabulated
from dig_bench.render.style import RC, Look
from dig_bench.report import tables
from dig_bench.report.figures import RESOLUTION, Context
from dig_bench.report.panels import Panel

_TITLES = {
    "energy": ("Energy per image", "energy (J per image)", "J per image"),
    "power": ("Average power", "power (W)", "W"),
    "energy-delay": ("Energy-delay product", "energy-delay product (J·s)", "J·s"),
}
"""Quantity of `tables.energy` -> the figure's title, its axis and its unit."""

_CAPTIONS = {
    "energy": (
        "Lower is better. Energy of a call by the device's own energy counter, idle power included, divided by the "
        "batch size."
    ),
    "power": (
        "Mean power while the device runs the model without a pause. Low power at a small resolution means that the "
        "device waits; it does not make an image cheap."
    ),
    "energy-delay": (
        "Lower is better. Joules per image times the latency of a call in seconds: at equal energy the faster model is "
        "better, and half the energy at twice the latency gains nothing."
    ),
}


def draw(panel: Panel, context: Context) -> list[Plot]:
    """Returns a figure per quantity that the panel has."""
    return [_energy(panel, points, context.look, quantity) for quantity, points in tables.energy(panel.rows).items()]


@matplotlib.rc_context(RC)
def _energy(panel: Panel, points: pd.DataFrame, look: Look, quantity: str) -> Plot:
    """Power has a linear scale, because it has a limit; the others have a logarithmic one."""
    title, ylabel, unit = _TITLES[quantity]
    figure, axes = drawing.canvas(panel.label, xlabel=RESOLUTION, ylabel=ylabel)
    draw_curves(axes, points, look, x="resolution_px")
    if quantity == "power":
        axes.set_ylim(bottom=0)
    else:
        drawing.logarithmic(axes)
    drawing.resolution_ticks(axes, points)
    draw_legend(figure, points, look)
    table, alt = tabulated(points, look.order(points), unit=unit, index="resolution_px")
    return Plot(
        topic="energy",
        name=f"{quantity}-{panel.slug}",
        title=title,
        conditions=panel.label,
        unit=unit,
        caption=_CAPTIONS[quantity],
        alt=alt,
        figure=figure,
        table=table,
    )
