"""Figures of profiles: time by component, and differences by component."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dig_bench.profile.components import (
    CONDITIONING,
    CONV1D,
    CORE,
    FINAL,
    GRADIENTS,
    MLP,
    NORM,
    OPTIMIZER,
    PATCHIFY,
    PROJECTIONS,
    REORDER,
    RESIDUAL,
    SKIP,
    SREM,
)
from dig_bench.profile.differences import differences, in_order
from dig_bench.profile.output import sentences
from dig_bench.profile.output.groups import Group, Pair, groups
from dig_bench.profile.record import Profile
from dig_bench.render import drawing
from dig_bench.render.numbers import MISSING, significant
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import plain, slug

PAINT: dict[str, tuple[str, float]] = {
    CORE: ("family-1", 1.0),
    PROJECTIONS: ("family-0", 1.0),
    MLP: ("family-2", 1.0),
    NORM: ("family-3", 1.0),
    RESIDUAL: ("family-4", 1.0),
    SREM: ("family-5", 1.0),
    REORDER: ("family-1", 0.4),
    CONV1D: ("family-5", 0.4),
    SKIP: ("family-0", 0.4),
    CONDITIONING: ("family-2", 0.4),
    PATCHIFY: ("family-3", 0.4),
    FINAL: ("family-4", 0.4),
    OPTIMIZER: ("family-6", 0.7),
    GRADIENTS: ("family-6", 0.4),
}
"""Component -> colour and opacity; others are grey."""

MARKERS = "osD^vPX*"
PER_TOKENS = 1000
FLAT_INCHES = 3.4
"""Height of a figure with few bars."""
SHARE_SHOWN = 0.01
"""Share of the device time below which components are drawn as one. Tables have them all."""
REST = "all others"


def side_by_side(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """Draws a plot for each group: time by component, a bar per model."""
    for group in groups(profiles):
        yield _bars(group)


def over_resolution(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """Draws time per token by component for each group that has several resolutions."""
    for group in groups(profiles, over_resolutions=True):
        if len({profile.cell.resolution_px for profile in group.profiles}) > 1:
            yield _per_token(group)


@matplotlib.rc_context(RC)
def difference(pair: Pair) -> Plot:
    """Draws what each component adds to the difference of two models."""
    base, other, conditions = pair.base, pair.other, pair.group.conditions
    how = "slower" if other.unprofiled_ms > base.unprofiled_ms else "faster"
    title = f"Why {other.name} is {how} than {base.name}" if pair.is_conclusive else f"{other.name} and {base.name}"
    found = [each for each in differences(base, other) if each.base_ms or each.other_ms]
    least_ms = SHARE_SHOWN * max(base.device_ms, other.device_ms)
    drawn = {each.component: each.ms for each in found if abs(each.ms) >= least_ms}
    if rest := [each.ms for each in found if each.component not in drawn]:
        drawn[REST] = sum(rest)
    figure, axes = drawing.canvas(conditions, xlabel=f"ms per step more than {plain(base.name, 24)}", ylabel="")
    figure.set_figheight(FLAT_INCHES)
    for place, ms in enumerate(drawn.values()):
        axes.barh(place, ms, height=0.62, color=LIGHT["good" if ms > 0 else "bad"])
        number(axes, max(ms, 0.0), place, f"{ms:+.3g}")
    axes.axvline(0, color=LIGHT["muted"], linewidth=1)
    axes.margins(x=0.12)
    drawing.rows(axes, list(drawn))
    table = pd.DataFrame(
        {
            base.name: [each.base_ms for each in found],
            other.name: [each.other_ms for each in found],
            "difference": [each.ms for each in found],
        },
        index=pd.Index([each.component for each in found], name="component"),
    )
    return plot(
        "difference",
        f"difference-{slug(base.name)}-{slug(other.name)}-{pair.group.slug}",
        figure,
        table,
        title=title,
        conditions=conditions,
        unit="ms per step",
        caption=(f"Bars to the right: {other.name} takes longer than {base.name}. {sentences.compared(pair)}"),
    )


@matplotlib.rc_context(RC)
def _bars(group: Group) -> Plot:
    values = _by_component(group.profiles, [profile.name for profile in group.profiles])
    figure, axes = drawing.canvas(group.conditions, xlabel="ms per step", ylabel="")
    _stacked(figure, axes, values, list(map(str, values.index)))
    return plot(
        "components",
        f"components-{group.slug}",
        figure,
        values,
        title="Time by component",
        conditions=group.conditions,
        unit="ms per step",
        caption="Sum of each component's kernels, without the gaps between them.",
    )


@matplotlib.rc_context(RC)
def _per_token(group: Group) -> Plot:
    names = list(dict.fromkeys(profile.name for profile in group.profiles))
    ordered = sorted(group.profiles, key=lambda each: (names.index(each.name), each.cell.resolution_px))
    values = _by_component(ordered, [f"{profile.name} {profile.cell.resolution_px} px" for profile in ordered])
    tokens = np.array([profile.num_tokens * profile.cell.batch_size for profile in ordered]) / PER_TOKENS
    values = values.div(tokens, axis=0)
    figure, axes = drawing.canvas(group.conditions, xlabel=f"ms per {PER_TOKENS} tokens", ylabel="")
    figure.set_figheight(max(FLAT_INCHES, 1.6 + 0.19 * len(ordered)))
    _stacked(figure, axes, values, list(map(str, values.index)))
    return plot(
        "per-token",
        f"per-token-{group.slug}",
        figure,
        values,
        title="Time per token over resolution",
        conditions=group.conditions,
        unit=f"ms per {PER_TOKENS} tokens",
        caption=(
            "Components that are linear in the number of tokens have bars of one length at all resolutions. Quadratic "
            "ones, such as the core of attention, grow."
        ),
    )


def _stacked(figure: Figure, axes: Axes, values: pd.DataFrame, names: Sequence[str]) -> None:
    """Draws a bar per row, with its sum; components that are small in all rows are drawn as one."""
    is_small = values.lt(SHARE_SHOWN * values.sum(axis=1), axis=0).all()
    drawn = values.loc[:, ~is_small]
    if is_small.any():
        drawn = drawn.assign(**{REST: values.loc[:, is_small].sum(axis=1)})
    drawing.bars(axes, drawn, names, [paint(component) for component in map(str, drawn)])
    axes.set_yticks(range(len(names)), [plain(name, 30) for name in names])
    for place, sum_ms in enumerate(values.sum(axis=1)):
        number(axes, sum_ms, place, significant(sum_ms))
    axes.margins(x=0.12)
    figure.legend(handles=patches(list(map(str, drawn))), loc="outside lower left", ncols=3)


def number(axes: Axes, x: float, y: float, text: str) -> None:
    """Writes a number behind the end of a bar."""
    axes.annotate(text, (x, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7.5)


def _by_component(profiles: Sequence[Profile], labels: Sequence[str]) -> pd.DataFrame:
    """Returns ms, a row per profile, a column per component."""
    columns = in_order({each.component for profile in profiles for each in profile.components})
    times = [profile.by_component for profile in profiles]
    table = pd.DataFrame(
        {name: [time[name].total_ms if name in time else 0.0 for time in times] for name in columns},
        index=pd.Index(labels, name="model"),
    )
    return table.loc[:, table.sum() > 0]


def paint(component: str) -> dict[str, Any]:
    color, alpha = PAINT.get(component, ("muted", 0.6))
    return {"color": LIGHT[color], "alpha": alpha}


def patches(components: Sequence[str]) -> list[Patch]:
    return [Patch(label=plain(component, 24), **paint(component)) for component in components]


def plot(
    topic: str,
    name: str,
    figure: Figure,
    values: pd.DataFrame,
    *,
    title: str,
    conditions: str,
    unit: str,
    caption: str,
) -> Plot:
    table = values.map(lambda value: significant(value) if value == value and value else MISSING)
    sums = "; ".join(f"{name}: " + ", ".join(f"{k} {v}" for k, v in row.items()) for name, row in table.iterrows())
    return Plot(
        topic=topic,
        name=name,
        title=title,
        conditions=conditions,
        unit=unit,
        caption=caption,
        alt=f"{conditions}, in {unit}. {sums}.",
        figure=figure,
        table=table,
    )
