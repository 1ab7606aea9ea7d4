"""The figures of a page of profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, groupby

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from dig_bench import from_json
from dig_bench.measure.roofs import Roofs
from dig_bench.profile import explain, roofline
from dig_bench.profile.components import (
    CONDITIONING,
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
from dig_bench.profile.output import words
from dig_bench.profile.record import Profile
from dig_bench.report import drawing
from dig_bench.report.numbers import MISSING, plain, significant, slug
from dig_bench.report.plot import Plot
from dig_bench.report.style import LIGHT, RC

PAINT: dict[str, tuple[str, float]] = {
    CORE: ("family-1", 1.0),
    PROJECTIONS: ("family-0", 1.0),
    MLP: ("family-2", 1.0),
    NORM: ("family-3", 1.0),
    RESIDUAL: ("family-4", 1.0),
    SREM: ("family-5", 1.0),
    REORDER: ("family-1", 0.4),
    SKIP: ("family-0", 0.4),
    CONDITIONING: ("family-2", 0.4),
    PATCHIFY: ("family-3", 0.4),
    FINAL: ("family-4", 0.4),
    OPTIMIZER: ("family-6", 0.7),
    GRADIENTS: ("family-6", 0.4),
}
"""Component -> colour and opacity; whatever is not here is grey."""

MARKERS = "osD^vPX*"
PER_TOKENS = 1000
SHARE_SHOWN = 0.01
"""Of the device time, below which a component has no point in a roofline."""


def side_by_side(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """A plot a mode and resolution: time by component, a bar a model."""
    for (mode, px), group in grouped(profiles, "mode", "resolution_px"):
        yield _bars(group, mode=mode, px=px)


def over_resolution(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """A plot a mode, where a model has several resolutions: time per token by component."""
    for (mode,), group in grouped(profiles, "mode"):
        if len({profile.cell["resolution_px"] for profile in group}) > 1:
            yield _per_token(group, mode=mode)


def differences(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """A plot a pair: what each component adds to the difference."""
    for base, other in words.pairs(profiles):
        yield _difference(base, other)


def rooflines(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """A plot a mode and resolution: components under the measured roofs, a marker a model."""
    markers = dict(zip(dict.fromkeys(profile.name for profile in profiles), cycle(MARKERS), strict=False))
    for (mode, px), group in grouped(profiles, "mode", "resolution_px"):
        if any(point.intensity for profile in group for point in roofline.points(profile)):
            yield _roofline(group, markers, mode=mode, px=px)


@matplotlib.rc_context(RC)
def _bars(profiles: Sequence[Profile], *, mode: str, px: int) -> Plot:
    values = _by_component(profiles, [profile.name for profile in profiles])
    figure, axes = drawing.canvas(f"{px} px, {mode}", xlabel="ms a step", ylabel="")
    drawing.bars(axes, values, list(map(str, values.index)), [_paint(component) for component in map(str, values)])
    _component_legend(figure, list(map(str, values)))
    return _plot(
        "components",
        f"components-{mode}-{px}px",
        figure,
        values,
        title="Time by component",
        conditions=f"{px} px, {mode}",
        unit="ms a step",
        caption="The sum of each component's kernels; gaps between them are not in it.",
    )


@matplotlib.rc_context(RC)
def _per_token(profiles: Sequence[Profile], *, mode: str) -> Plot:
    ordered = sorted(profiles, key=lambda profile: _first(profiles, profile))
    labels = [words.label(profile) for profile in ordered]
    values = _by_component(ordered, labels)
    tokens = np.array([profile.num_tokens * profile.cell["batch_size"] for profile in ordered]) / PER_TOKENS
    values = values.div(tokens, axis=0)
    figure, axes = drawing.canvas(mode, xlabel="", ylabel=f"ms a {PER_TOKENS} tokens")
    places, names = _places(ordered)
    bottom = np.zeros(len(values))
    for component in map(str, values):
        axes.bar(places, values[component], bottom=bottom, width=0.8, **_paint(component))
        bottom += values[component].to_numpy()
    axes.set_xticks(places, [str(profile.cell["resolution_px"]) for profile in ordered], rotation=90, fontsize=7)
    axes.grid(visible=False, axis="x")
    rotated = len(names) > 3
    for name, place in names.items():
        axes.annotate(
            plain(name, 20),
            (place, 1.0),
            xycoords=("data", "axes fraction"),
            fontsize=7,
            ha="center",
            va="top",
            rotation=90 if rotated else 0,
        )
    axes.set_ylim(top=(1.8 if rotated else 1.35) * bottom.max())
    _component_legend(figure, list(map(str, values)))
    return _plot(
        "per-token",
        f"per-token-{mode}",
        figure,
        values,
        title="Time per token over resolution",
        conditions=mode,
        unit=f"ms a {PER_TOKENS} tokens",
        caption=(
            "Below each bar its resolution in pixels. What is linear in the number of tokens keeps its height; what is "
            "quadratic, the core of attention, grows with it."
        ),
    )


@matplotlib.rc_context(RC)
def _difference(base: Profile, other: Profile) -> Plot:
    found = [each for each in explain.differences(base, other) if each.base_ms or each.other_ms]
    where = f"{base.cell['resolution_px']} px, {base.cell['mode']}"
    figure, axes = drawing.canvas(where, xlabel=f"ms a step more than {plain(base.name, 24)}", ylabel="")
    for place, each in enumerate(found):
        axes.barh(place, each.ms, height=0.62, color=LIGHT["good" if each.ms > 0 else "bad"])
    axes.axvline(0, color=LIGHT["muted"], linewidth=1)
    drawing.rows(axes, [each.component for each in found])
    table = pd.DataFrame(
        {
            base.name: [each.base_ms for each in found],
            other.name: [each.other_ms for each in found],
            "difference": [each.ms for each in found],
        },
        index=pd.Index([each.component for each in found], name="component"),
    )
    return _plot(
        "difference",
        f"difference-{slug(base.name)}-{slug(other.name)}-{base.cell['mode']}-{base.cell['resolution_px']}px",
        figure,
        table,
        title=f"Why {other.name} differs from {base.name}",
        conditions=where,
        unit="ms a step",
        caption=f"To the right: where {other.name} takes longer than {base.name}. {explain.compared(base, other)}",
    )


@matplotlib.rc_context(RC)
def _roofline(profiles: Sequence[Profile], markers: Mapping[str, str], *, mode: str, px: int) -> Plot:
    figure, axes = drawing.canvas(f"{px} px, {mode}", xlabel="FLOPs a byte", ylabel="TFLOP/s")
    rows = {}
    for profile in profiles:
        for point in roofline.points(profile):
            if point.intensity and point.tflops_per_s and point.ms > SHARE_SHOWN * profile.device_ms:
                look = _paint(point.component)
                axes.plot(point.intensity, point.tflops_per_s, markers[profile.name], **look, zorder=3)
                rows[f"{profile.name} {point.component}"] = {
                    "FLOP/byte": point.intensity,
                    "TFLOP/s": point.tflops_per_s,
                    "of its roof": point.share_of_roof,
                }
    drawing.logarithmic(axes, axis="x")
    drawing.logarithmic(axes)
    # Five decades: numbers between them would touch each other.
    axes.xaxis.set_major_locator(LogLocator())
    _draw_roofs(axes, from_json.build(Roofs, profiles[0].roofs), profiles[0].cell["precision"])
    names = [
        Line2D([], [], marker=markers[name], linestyle="none", color=LIGHT["ink"], label=plain(name, 24))
        for name in dict.fromkeys(profile.name for profile in profiles)
    ]
    shown = {name.split(" ", 1)[1] for name in rows}
    figure.legend(handles=[*names, *_patches(explain.in_order(shown))], loc="outside lower left", ncols=2)
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("component")
    return _plot(
        "roofline",
        f"roofline-{mode}-{px}px",
        figure,
        table,
        title="Roofline",
        conditions=f"{px} px, {mode}",
        unit="FLOPs a byte, TFLOP/s, share",
        caption=(
            "The roofs are measured on this machine: a device copy (the slope) and a large matrix product (the level). "
            "Bytes are the least that a component's operations read and write. A point above the slope found some of "
            "them in a cache."
        ),
    )


def _draw_roofs(axes: Axes, roofs: Roofs, precision: str) -> None:
    low, high = axes.get_xlim()
    intensity = np.geomspace(low, max(high, 2e3 * roofs.matrix_tflops(precision) / roofs.copy_gb_per_s), 50)
    roof = np.minimum(roofs.matrix_tflops(precision), intensity * roofs.copy_gb_per_s / 1e3)
    axes.plot(intensity, roof, color=LIGHT["ink"], linewidth=1.2, zorder=2)


def grouped(profiles: Sequence[Profile], *names: str) -> Iterator[tuple[tuple, list[Profile]]]:
    """By these fields of their cells: their values, and the profiles that share them."""

    def key(profile: Profile) -> tuple:
        return tuple(profile.cell[name] for name in names)

    for value, group in groupby(sorted(profiles, key=key), key=key):
        yield value, list(group)


def _by_component(profiles: Sequence[Profile], labels: Sequence[str]) -> pd.DataFrame:
    """ms, a row a profile, a column a component."""
    columns = explain.in_order({each.component for profile in profiles for each in profile.components})
    times = [profile.by_component for profile in profiles]
    table = pd.DataFrame(
        {name: [time[name].total_ms if name in time else 0.0 for time in times] for name in columns},
        index=pd.Index(labels, name="model"),
    )
    return table.loc[:, table.sum() > 0]


def _places(ordered: Sequence[Profile]) -> tuple[list[float], dict[str, float]]:
    """Of the bars, with a gap between models, and of the models' names."""
    places: list[float] = []
    of_name: dict[str, list[float]] = {}
    for profile in ordered:
        place = len(places) + 0.8 * (len(of_name) - (profile.name in of_name))
        places.append(place)
        of_name.setdefault(profile.name, []).append(place)
    return places, {name: float(np.mean(found)) for name, found in of_name.items()}


def _first(profiles: Sequence[Profile], profile: Profile) -> tuple[int, int]:
    names = list(dict.fromkeys(each.name for each in profiles))
    return names.index(profile.name), profile.cell["resolution_px"]


def _paint(component: str) -> dict:
    color, alpha = PAINT.get(component, ("muted", 0.6))
    return {"color": LIGHT[color], "alpha": alpha}


def _patches(components: Sequence[str]) -> list[Patch]:
    return [Patch(label=plain(component, 24), **_paint(component)) for component in components]


def _component_legend(figure: Figure, components: Sequence[str]) -> None:
    figure.legend(handles=_patches(components), loc="outside lower left", ncols=2)


def _plot(
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
        name=slug(name),
        title=title,
        conditions=conditions,
        unit=unit,
        caption=caption,
        alt=f"{conditions}, in {unit}. {sums}.",
        figure=figure,
        table=table,
    )
