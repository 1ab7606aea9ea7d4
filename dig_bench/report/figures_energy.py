"""Figures of energy over resolution: joules per image, power, energy-delay product."""

from __future__ import annotations

import matplotlib
import pandas as pd

from dig_bench.render import drawing
from dig_bench.render.plot import Plot, plot_of_curves
from dig_bench.render.style import RC, Look

TITLES = {
    "energy": ("Energy per image", "energy (J per image)", "J per image"),
    "power": ("Average power", "power (W)", "W"),
    "energy-delay": ("Energy-delay product", "energy-delay product (J·s)", "J·s"),
}
"""Quantity -> the figure's title, its axis and its unit; `tables.energy` has them."""

_CAPTIONS = {
    "energy": (
        "Lower is better. Power by the device's own energy counter, idle power included, times the time of a call, "
        "over the images of a call."
    ),
    "power": (
        "What the device draws while it runs the model without a pause. Low power at a small resolution is a device "
        "that waits; it does not make an image cheap."
    ),
    "energy-delay": (
        "Lower is better. Joules per image times the seconds of a call: of two models that need the same energy, the "
        "faster one is better, and half the energy in twice the time gains nothing."
    ),
}


@matplotlib.rc_context(RC)
def energy(points: pd.DataFrame, look: Look, *, quantity: str, name: str, conditions: str) -> Plot:
    """One quantity over resolution; power on a linear scale, which ends, the others on a logarithmic one."""
    title, ylabel, unit = TITLES[quantity]
    figure, axes = drawing.canvas(conditions, xlabel="resolution (px)", ylabel=ylabel)
    drawing.curves(axes, points, look, x="resolution_px")
    if quantity == "power":
        axes.set_ylim(bottom=0)
    else:
        drawing.logarithmic(axes)
    drawing.resolution_ticks(axes, points)
    drawing.legend(figure, points, look)
    return plot_of_curves(
        figure,
        points,
        look,
        topic="energy",
        unit=unit,
        name=name,
        conditions=conditions,
        title=title,
        caption=_CAPTIONS[quantity],
    )
