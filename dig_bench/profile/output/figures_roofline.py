"""Figures of steps against the roofline: the losses by component, and the roofline plot."""

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

from dig_bench.profile import roofline
from dig_bench.profile.differences import in_order
from dig_bench.profile.output import sentences
from dig_bench.profile.output.figures import FLAT_INCHES, MARKERS, SHARE_SHOWN, number, paint, patches, plot
from dig_bench.profile.output.groups import Group, groups
from dig_bench.profile.record import Profile
from dig_bench.render import drawing
from dig_bench.render.numbers import percent
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import plain, slug

SHARE_MARKED = 0.05
"""Share of the device time below which a component has no point in a roofline plot of several models."""


@matplotlib.rc_context(RC)
def losses(profile: Profile, group: Group) -> Plot:
    """Draws each component's time: its floor at the roofline, and the time above it."""
    points = roofline.losses(profile)
    shown = [point for point in points if point.ms >= SHARE_SHOWN * profile.device_ms]
    figure, axes = drawing.canvas(group.conditions, xlabel="ms per step", ylabel="")
    figure.set_figheight(FLAT_INCHES)
    for place, point in enumerate(shown):
        within_ms = min(point.ms, point.floor_ms or 0.0)
        axes.barh(place, within_ms, height=0.62, color=LIGHT["muted"], alpha=0.6)
        axes.barh(place, point.ms - within_ms, left=within_ms, height=0.62, color=LIGHT["bad"])
        number(axes, point.ms, place, f"{point.lost_ms:+.3g}")
    axes.margins(x=0.12)
    drawing.rows(axes, [point.component for point in shown])
    parts = [Patch(label="at the roofline", color=LIGHT["muted"], alpha=0.6), Patch(label="lost", color=LIGHT["bad"])]
    figure.legend(handles=parts, loc="outside lower left", ncols=2)
    table = pd.DataFrame(
        {
            "measured": [point.ms for point in points],
            "at the roofline": [point.floor_ms for point in points],
            "lost": [point.lost_ms for point in points],
        },
        index=pd.Index([point.component for point in points], name="component"),
    )
    return plot(
        "losses",
        f"losses-{slug(profile.name)}-{group.slug}",
        figure,
        table,
        title=f"Losses of {profile.name} to the roofline",
        conditions=group.conditions,
        unit="ms per step",
        caption=(
            "Grey: the shortest time that the measured roofline allows for a component's FLOPs and bytes, at most the "
            "measured time. Red: the rest. "
            f"{sentences.against_the_roofline(profile, group.conditions)}"
        ),
    )


def rooflines(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """Draws a plot for each group: components under the measured roofline, a marker per model."""
    markers = dict(zip(dict.fromkeys(profile.name for profile in profiles), cycle(MARKERS), strict=False))
    for group in groups(profiles):
        known = [each for each in group.profiles if each.roofline]
        if any(point.intensity for profile in known for point in roofline.points(profile)):
            yield _roofline(Group(profiles=known, key=group.key), markers)


@matplotlib.rc_context(RC)
def _roofline(group: Group, markers: Mapping[str, str]) -> Plot:
    figure, axes = drawing.canvas(group.conditions, xlabel="FLOP/byte", ylabel="TFLOP/s")
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
                "of roofline": None if point.is_capped else point.share_of_roofline,
            }
            if point.ms > least_share * profile.device_ms:
                look = paint(point.component)
                axes.plot(point.intensity, point.tflops_per_s, markers[profile.name], **look, zorder=3)
                components.add(point.component)
    drawing.logarithmic(axes, axis="x")
    drawing.logarithmic(axes)
    # Over five decades, labels between the powers of ten would overlap.
    axes.xaxis.set_major_locator(LogLocator())
    # One roofline for each machine that the profiles were taken on.
    for peaks in dict.fromkeys(_peaks(profile) for profile in group.profiles):
        _draw(axes, *peaks)
    names = [
        Line2D([], [], marker=markers[name], linestyle="none", color=LIGHT["ink"], label=plain(name, 24))
        for name in dict.fromkeys(profile.name for profile in group.profiles)
    ]
    figure.legend(handles=[*names, *patches(in_order(components))], loc="outside lower left", ncols=2)
    left_out = f"Components below {percent(least_share)} of a step are only in the table."
    return plot(
        "roofline",
        f"roofline-{group.slug}",
        figure,
        pd.DataFrame.from_dict(rows, orient="index").rename_axis("component"),
        title="Roofline",
        conditions=group.conditions,
        unit="FLOP/byte, TFLOP/s, share",
        caption=(
            "The roofline is measured on this machine: memory bandwidth of a copy (the slope), throughput of a large "
            "GEMM (the level). Bytes are the least that a component's operations read and write. A point above the "
            f"slope reads some of them from a cache. {left_out}"
        ),
    )


def _peaks(profile: Profile) -> tuple[float, float]:
    """Returns TFLOP/s of the profile's precision, and GB/s."""
    assert profile.roofline is not None
    return profile.roofline.peak_tflops(profile.cell.precision), profile.roofline.bandwidth_gb_per_s


def _draw(axes: Axes, peak_tflops: float, bandwidth_gb_per_s: float) -> None:
    low, high = axes.get_xlim()
    intensity = np.geomspace(low, max(high, 2e3 * peak_tflops / bandwidth_gb_per_s), 50)
    attainable = np.minimum(peak_tflops, intensity * bandwidth_gb_per_s / 1e3)
    axes.plot(intensity, attainable, color=LIGHT["ink"], linewidth=1.2, zorder=2)
