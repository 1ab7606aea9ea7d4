"""Figures of growth: exponents of each component's time over the number of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.lines import Line2D

from dig_bench.profile.differences import in_order
from dig_bench.profile.output.figures import MARKERS, SHARE_SHOWN
from dig_bench.profile.output.groups import Group, groups
from dig_bench.profile.record import Profile
from dig_bench.render import drawing
from dig_bench.render.exponents import CAPTION, UNIT, fit_text, mark, reference_lines
from dig_bench.render.numbers import MISSING
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import plain
from dig_bench.results.scaling import Exponent, exponent

WHOLE = "whole step"

Fits = Mapping[str, Mapping[str, Exponent]]
"""Model -> component or WHOLE -> exponent."""


def growth(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """Draws a plot for each group in which a model has three resolutions or more."""
    for group in groups(profiles, over_resolutions=True):
        of_model = {
            name: fits
            for name in dict.fromkeys(profile.name for profile in group.profiles)
            if (fits := exponents([profile for profile in group.profiles if profile.name == name]))
        }
        if of_model:
            yield _plot(of_model, group)


def exponents(profiles: Sequence[Profile]) -> dict[str, Exponent]:
    """Returns the exponents of one model: of the whole step, and of components above SHARE_SHOWN at the largest
    resolution. Empty with fewer than three resolutions."""
    largest = max(profiles, key=lambda profile: profile.num_tokens)
    shown = [each.component for each in largest.components if each.total_ms > SHARE_SHOWN * largest.device_ms]
    times = {WHOLE: [profile.device_ms for profile in profiles]} | {
        name: [profile.by_component[name].total_ms if name in profile.by_component else 0.0 for profile in profiles]
        for name in in_order(set(shown))
    }
    tokens = [profile.num_tokens for profile in profiles]
    return {name: fit for name, values in times.items() if (fit := exponent(tokens, values))}


@matplotlib.rc_context(RC)
def _plot(of_model: Fits, group: Group) -> Plot:
    components = {name for fits in of_model.values() for name in fits} - {WHOLE}
    rows = [WHOLE, *in_order(components)]
    figure, axes = drawing.canvas(group.conditions, xlabel="exponent a of time ~ tokens^a", ylabel="")
    looks: dict[str, dict[str, Any]] = {
        name: {"color": LIGHT[f"family-{index % 7}"], "marker": MARKERS[index % len(MARKERS)]}
        for index, name in enumerate(of_model)
    }
    shifts = [0.5 * ((index + 0.5) / len(of_model) - 0.5) for index in range(len(of_model))]
    for (name, fits), shift in zip(of_model.items(), shifts, strict=True):
        for component, fit in fits.items():
            mark(axes, rows.index(component) + shift, fit, **looks[name])
    values = [fit.value for fits in of_model.values() for fit in fits.values()]
    reference_lines(axes, min(values), max(values))
    drawing.rows(axes, rows)
    entries = [Line2D([], [], linestyle="none", label=plain(name, 24), **look) for name, look in looks.items()]
    figure.legend(handles=entries, loc="outside lower left", ncols=2)
    table = pd.DataFrame(
        {
            name: {row: fit_text(fits[row]) if row in fits else MISSING for row in rows}
            for name, fits in of_model.items()
        },
        index=rows,
    ).rename_axis("component")
    whole = "; ".join(f"{name} {text}" for name, text in table.loc[WHOLE].items())
    return Plot(
        topic="growth",
        name=f"growth-{group.slug}",
        title="Growth of each component with the number of tokens",
        conditions=group.conditions,
        unit=UNIT,
        caption=(
            f"{CAPTION} They are fitted to the time on the device; kernel launches and weights dominate small "
            "resolutions. The report of a sweep shows where one model overtakes another."
        ),
        alt=f"Marks with intervals. Exponents of the whole step: {whole}.",
        figure=figure,
        table=table,
    )
