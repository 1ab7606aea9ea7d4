"""Figures of steps against the roofs of their machine: what is lost to them, and the roofline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from dig_bench.profile import explain, roofline
from dig_bench.profile.output import words
from dig_bench.profile.output.figures import FLAT_INCHES, MARKERS, SHARE_SHOWN, number, paint, patches, plot
from dig_bench.profile.output.groups import Group, groups
from dig_bench.profile.record import Profile
from dig_bench.render import drawing
from dig_bench.render.numbers import percent
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import plain, slug

SHARE_MARKED = 0.05
"""Of the device time, below which a component has no point in a roofline of several models."""


@matplotlib.rc_context(RC)
def losses(profile: Profile, group: Group) -> Plot:
    """Each component's time: as much as its roof asks for, and what it takes over that."""
    points = explain.losses(profile)
    shown = [point for point in points if point.ms >= SHARE_SHOWN * profile.device_ms]
    figure, axes = drawing.canvas(group.conditions, xlabel="ms a step", ylabel="")
    figure.set_figheight(FLAT_INCHES)
    for place, point in enumerate(shown):
        within_ms = min(point.ms, point.roof_ms or 0.0)
        axes.barh(place, within_ms, height=0.62, color=LIGHT["muted"], alpha=0.6)
        axes.barh(place, point.ms - within_ms, left=within_ms, height=0.62, color=LIGHT["bad"])
        number(axes, point.ms, place, f"{point.lost_ms:+.3g}")
    axes.margins(x=0.12)
    drawing.rows(axes, [point.component for point in shown])
    parts = [Patch(label="at its roof", color=LIGHT["muted"], alpha=0.6), Patch(label="over it", color=LIGHT["bad"])]
    figure.legend(handles=parts, loc="outside lower left", ncols=2)
    table = pd.DataFrame(
        {
            "takes": [point.ms for point in points],
            "at its roof": [point.roof_ms for point in points],
            "over it": [point.lost_ms for point in points],
        },
        index=pd.Index([point.component for point in points], name="component"),
    )
    return plot(
        "losses",
        f"losses-{slug(profile.name)}-{group.slug}",
        figure,
        table,
        title=f"What keeps {profile.name} from its roof",
        conditions=group.conditions,
        unit="ms a step",
        caption=(
            "Grey is the least that a component's FLOPs or bytes take at the measured roofs, red what it takes over "
            "that; less than nothing where a roof was measured too low. "
            f"{words.against_the_roof(profile, group.conditions)}"
        ),
    )


def rooflines(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """A plot for equal conditions: components under the measured roofs, a marker a model."""
    markers = dict(zip(dict.fromkeys(profile.name for profile in profiles), cycle(MARKERS), strict=False))
    for group in groups(profiles):
        if any(point.intensity for profile in group.profiles for point in roofline.points(profile)):
            yield _roofline(group, markers)


@matplotlib.rc_context(RC)
def _roofline(group: Group, markers: Mapping[str, str]) -> Plot:
    figure, axes = drawing.canvas(group.conditions, xlabel="FLOPs a byte", ylabel="TFLOP/s")
    rows: dict[str, dict[str, float | None]] = {}
    components: set[str] = set()
    least_share = SHARE_SHOWN if len(group.profiles) == 1 else SHARE_MARKED
    for profile in group.profiles:
        for point in roofline.points(profile):
            if not (point.intensity and point.tflops_per_s):
                continue
            rows[f"{profile.name} {point.component}"] = {
                "FLOP/byte": point.intensity,
                "TFLOP/s": point.tflops_per_s,
                "of its roof": point.share_of_roof,
            }
            if point.ms > least_share * profile.device_ms:
                look = paint(point.component)
                axes.plot(point.intensity, point.tflops_per_s, markers[profile.name], **look, zorder=3)
                components.add(point.component)
    drawing.logarithmic(axes, axis="x")
    drawing.logarithmic(axes)
    # Five decades: numbers between them would touch each other.
    axes.xaxis.set_major_locator(LogLocator())
    # One of each machine that the profiles were taken on.
    for roofs in dict.fromkeys(_roof(profile) for profile in group.profiles):
        _draw(axes, *roofs)
    names = [
        Line2D([], [], marker=markers[name], linestyle="none", color=LIGHT["ink"], label=plain(name, 24))
        for name in dict.fromkeys(profile.name for profile in group.profiles)
    ]
    figure.legend(handles=[*names, *patches(explain.in_order(components))], loc="outside lower left", ncols=2)
    left_out = f"Components below {percent(least_share)} of a step are in the table only."
    return plot(
        "roofline",
        f"roofline-{group.slug}",
        figure,
        pd.DataFrame.from_dict(rows, orient="index").rename_axis("component"),
        title="Roofline",
        conditions=group.conditions,
        unit="FLOPs a byte, TFLOP/s, share",
        caption=(
            "The roofs are measured on this machine: a device copy (the slope) and a large matrix product (the level). "
            "Bytes are the least that a component's operations read and write. A point above the slope found some of "
            f"them in a cache. {left_out}"
        ),
    )


def _roof(profile: Profile) -> tuple[float, float]:
    """TFLOP/s of its precision, and GB/s."""
    return profile.roofs.peak_tflops(profile.cell["precision"]), profile.roofs.bandwidth_gb_per_s


def _draw(axes: Axes, matrix_tflops: float, copy_gb_per_s: float) -> None:
    low, high = axes.get_xlim()
    intensity = np.geomspace(low, max(high, 2e3 * matrix_tflops / copy_gb_per_s), 50)
    roof = np.minimum(matrix_tflops, intensity * copy_gb_per_s / 1e3)
    axes.plot(intensity, roof, color=LIGHT["ink"], linewidth=1.2, zorder=2)
