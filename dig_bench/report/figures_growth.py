"""Figures of `growth`: exponents of a panel's models, and where they overtake the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dig_bench.render import drawing
from dig_bench.render.numbers import MISSING, interval
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC, Look
from dig_bench.render.text import plain
from dig_bench.report.growth import LEAST_POINTS, Crossover, Exponent

_SPANS = {"all": "all resolutions", "largest": f"the {LEAST_POINTS} largest"}
_MARKS: dict[str, dict[str, Any]] = {
    "all": {"marker": "o", "markerfacecolor": LIGHT["surface"]},
    "largest": {"marker": "o"},
}
_WHAT = {
    "time": "Small resolutions are bound by launches, so that the largest say more of how the time goes on growing.",
    "memory": "Weights and optimiser state count, which stay: the largest resolutions say more of the activations.",
}


@matplotlib.rc_context(RC)
def exponents(fits: pd.DataFrame, look: Look, *, quantity: str, name: str, conditions: str) -> Plot:
    """A mark a model and span of resolutions, with its interval, over the exponent."""
    figure, axes = drawing.canvas(conditions, xlabel=f"exponent a of {quantity} ~ tokens^a", ylabel="")
    fits = fits[fits["quantity"] == quantity]
    order = look.order(fits)
    for _, fit in fits.iterrows():
        place = order.index(fit["name"]) + (-0.14 if fit["span"] == "all" else 0.14)
        ends = [[fit["value"] - fit["low"]], [fit["high"] - fit["value"]]]
        color = look.color(fit["family"])
        axes.errorbar(fit["value"], place, xerr=ends, color=color, capsize=2, elinewidth=1, **_MARKS[fit["span"]])
    powers(axes, fits["value"].min(), fits["value"].max())
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
        name=name,
        conditions=conditions,
        title=f"Growth of {quantity} with the number of tokens",
        unit="powers of the number of tokens",
        caption=(
            "1 is linear, 2 quadratic. Slopes of least-squares lines through logarithms, with Student's 95 % interval; "
            "it is wide where the points bend, and with three points unless they lie on a line almost exactly. "
            f"A bar may leave the drawing; the table has it whole. {_WHAT[quantity]}"
        ),
        alt=f"Marks with intervals. Exponents over {_SPANS['largest']} resolutions: {largest}.",
        figure=figure,
        table=table,
    )


@matplotlib.rc_context(RC)
def crossovers(
    points: pd.DataFrame,
    found: Mapping[str, Sequence[Crossover]],
    baseline: str,
    look: Look,
    *,
    name: str,
    conditions: str,
) -> Plot:
    """A line a model over the resolutions at which it can be compared (`points`, ratios of speeds), thick where it is
    the faster one, with the crossovers and their intervals."""
    figure, axes = drawing.canvas(conditions, xlabel="resolution (px)", ylabel="")
    order = look.order(points)
    texts = {}
    for place, model in enumerate(order):
        curve = points[points["name"] == model].sort_values("resolution_px")
        first, last = curve["resolution_px"].iloc[0], curve["resolution_px"].iloc[-1]
        color, is_faster = look.color(curve["family"].iloc[0]), bool(curve["value"].iloc[0] > 1)
        texts[model] = [_px(each, first, last) for each in found[model]]
        texts[model] = texts[model] or [f"{'faster' if is_faster else 'slower'} from {first:.0f} to {last:.0f} px"]
        edges = [first, *(each.px for each in found[model]), last]
        for begin, end in pairwise(edges):
            width, shade = (5, color) if is_faster else (1, LIGHT["muted"])
            axes.plot([begin, end], [place, place], color=shade, linewidth=width, solid_capstyle="butt", zorder=2)
            is_faster = not is_faster
        for each in found[model]:
            ends = [[each.px - (each.low_px or each.px)], [(each.high_px or each.px) - each.px]]
            axes.errorbar(each.px, place, xerr=ends, color=LIGHT["ink"], marker="D", capsize=3, elinewidth=1, zorder=4)
    drawing.resolution_ticks(axes, points)
    drawing.rows(axes, order)
    entries = [
        Line2D([], [], label=f"faster than {plain(baseline, 28)}", color=LIGHT["ink"], linewidth=5),
        Line2D([], [], label="slower", color=LIGHT["muted"], linewidth=1),
        Line2D([], [], label="equally fast", color=LIGHT["ink"], marker="D", linestyle="none"),
    ]
    figure.legend(handles=entries, loc="outside lower left", ncols=3)
    table = pd.DataFrame({"crossover": pd.Series(texts).map("; ".join)}).rename_axis("model")
    return Plot(
        topic="crossover",
        name=name,
        conditions=conditions,
        title=f"Crossovers with {baseline}",
        unit="px",
        caption=(
            "Where two models are equally fast, on a straight line between the two nearest measured resolutions, both "
            "axes logarithmic. The interval is as far as those of both medians allow; that the true curve bends "
            "between the two resolutions is not in it."
        ),
        alt="; ".join(f"{model}: {', '.join(words)}" for model, words in texts.items()) + ".",
        figure=figure,
        table=table,
    )


def powers(axes: Axes, least: float, largest: float) -> None:
    """Lines where growth is linear and quadratic, and room for them beside these exponents."""
    for power in (1, 2):
        axes.axvline(power, color=LIGHT["muted"], linewidth=1, zorder=1)
    axes.set_xlim(min(0.0, least) - 0.25, max(2.0, largest) + 0.25)


def fit_text(fit: Exponent | pd.Series) -> str:
    return f"{interval(fit.value, fit.low, fit.high)}, {fit.num_points} points"


def _px(crossover: Crossover, first: float, last: float) -> str:
    above = f"{'faster' if crossover.is_faster_above else 'slower'} above {crossover.px:.0f}"
    if crossover.low_px is None and crossover.high_px is None:
        return f"{above} (no interval)"
    low = f"{crossover.low_px:.0f}" if crossover.low_px else f"below {first:.0f}"
    high = f"{crossover.high_px:.0f}" if crossover.high_px else f"above {last:.0f}"
    return f"{above} ({low} to {high})"
