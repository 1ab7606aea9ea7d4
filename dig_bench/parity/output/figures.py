"""Figures of a parity contest: learning curves, and the Fréchet distance of every seed."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dig_bench.parity.results import Results
from dig_bench.render import drawing
from dig_bench.render.numbers import significant
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import plain

_COLORS = [color for name, color in LIGHT.items() if name.startswith("family-")]
_LINES = ("solid", "dashed", "dotted")

_TABLE_ROWS = 5


def plots(results: Results) -> list[Plot]:
    """Returns the learning curves and the distances."""
    return [_curves(results), _distances(results)]


def _style(place: int) -> tuple[str, str]:
    """Returns colour and line style: all colours with solid lines first, then with dashed ones."""
    return _COLORS[place % len(_COLORS)], _LINES[place // len(_COLORS) % len(_LINES)]


@matplotlib.rc_context(RC)
def _curves(results: Results) -> Plot:
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.add_subplot(xlabel="training step", ylabel="loss")
    steps = int(results.settings["steps"])
    shown = {}
    for place, name in enumerate(results.names):
        curves = np.array([run.curve for run in results.of(name)])
        at = (np.arange(curves.shape[1]) + 0.5) * steps / curves.shape[1]
        color, line = _style(place)
        axes.plot(at, curves.mean(axis=0), color=color, linestyle=line, label=plain(name))
        axes.fill_between(at, curves.min(axis=0), curves.max(axis=0), color=color, alpha=0.15, linewidth=0)
        rows = np.linspace(0, len(at) - 1, min(_TABLE_ROWS, len(at))).astype(int)
        shown[name] = pd.Series(
            [significant(curves[:, row].mean(), 4) for row in rows], index=[f"{at[row]:.0f}" for row in rows]
        )
    drawing.logarithmic(axes)
    drawing.logarithmic(axes, axis="x")
    figure.legend(loc="outside lower left", ncols=2)
    table = pd.DataFrame(shown).rename_axis("training step")
    return Plot(
        topic="parity",
        name="learning-curves",
        title="Learning curves",
        conditions="",
        unit="loss",
        caption="Mean over the seeds. The band covers the lowest to the highest seed.",
        alt=f"Loss at training step {table.index[-1]}: "
        + "; ".join(f"{name} {table[name].iloc[-1]}" for name in table)
        + ".",
        figure=figure,
        table=table,
    )


@matplotlib.rc_context(RC)
def _distances(results: Results) -> Plot:
    names = results.names
    figure = Figure(figsize=(6.4, 1.1 + 0.35 * len(names)), layout="constrained")
    axes = figure.add_subplot(xlabel=f"{results.metric}{_at(results)}, lower is better")
    records = {}
    for place, name in enumerate(names):
        found = [run.distance for run in results.of(name)]
        color, _ = _style(place)
        axes.plot(found, [place] * len(found), "o", color=color, markerfacecolor=LIGHT["surface"])
        axes.plot(np.mean(found), place, "|", color=color, markersize=16, markeredgewidth=2)
        records[name] = {"mean": significant(np.mean(found)), "seeds": ", ".join(map(significant, found))}
    axes.set_yticks(range(len(names)), [plain(name, 40) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    return Plot(
        topic="parity",
        name="distances",
        title=f"{results.metric} of the generated images",
        conditions="",
        unit=results.metric,
        caption="Circles are seeds, bars are means over the seeds. Few images bias a distance "
        f"upward: these are the distances{_at(results)}.",
        alt="; ".join(f"{name} {record['mean']}" for name, record in records.items()) + ".",
        figure=figure,
        table=pd.DataFrame.from_dict(records, orient="index").rename_axis("contender"),
    )


def _at(results: Results) -> str:
    """Returns ` at 2,000 generated images`, or an empty text for runs that do not say."""
    images = results.settings.get("num_images")
    return "" if images is None else f" at {images:,} generated images"
