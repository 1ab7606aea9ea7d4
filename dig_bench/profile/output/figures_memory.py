"""Figures of memory: the peaks by kind, and the timelines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from dig_bench.profile.memory_profile import (
    ACTIVATION_GRADIENTS,
    ACTIVATIONS,
    GRADIENTS,
    INPUTS,
    KINDS,
    OTHER,
    STATE,
    WEIGHTS,
    WORKSPACE,
    MemoryProfile,
    TensorGroup,
)
from dig_bench.profile.output.figures import number
from dig_bench.profile.output.groups import Group, groups, largest
from dig_bench.profile.record import Profile
from dig_bench.render import drawing
from dig_bench.render.numbers import MISSING, significant
from dig_bench.render.plot import Plot
from dig_bench.render.style import LIGHT, RC
from dig_bench.render.text import plain, slug

PAINT: dict[str, tuple[str, float]] = {
    WEIGHTS: ("family-0", 1.0),
    GRADIENTS: ("family-3", 1.0),
    STATE: ("family-0", 0.4),
    INPUTS: ("family-6", 0.4),
    ACTIVATIONS: ("family-1", 1.0),
    ACTIVATION_GRADIENTS: ("family-1", 0.4),
    WORKSPACE: ("family-2", 1.0),
    OTHER: ("muted", 0.6),
}
"""Kind -> colour and opacity."""

MB = 1e6


def peaks(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """Draws a plot for each group: the peak by kind, a bar per model."""
    for group in groups(profiles):
        if known := [profile for profile in group.profiles if profile.memory]:
            yield _peaks(known, group)


def timelines(profiles: Sequence[Profile]) -> Iterator[Plot]:
    """Draws allocated memory over the step for each model at its largest resolution; the table has the largest tensors
    at the peak."""
    for group, profile in largest([profile for profile in profiles if profile.memory]):
        assert profile.memory
        yield _timeline(profile, profile.memory, group)


def memory(profiles: Sequence[Profile]) -> Iterator[Plot]:
    yield from peaks(profiles)
    yield from timelines(profiles)


@matplotlib.rc_context(RC)
def _peaks(profiles: Sequence[Profile], group: Group) -> Plot:
    found = [profile.memory.by_kind for profile in profiles if profile.memory]
    kinds = [kind for kind in KINDS if any(kind in by_kind for by_kind in found)]
    names = [profile.name for profile in profiles]
    values = pd.DataFrame([{kind: by_kind.get(kind, 0) / MB for kind in kinds} for by_kind in found], index=names)
    figure, axes = drawing.canvas(group.conditions, xlabel="MB at the peak", ylabel="")
    drawing.bars(axes, values, names, [_paint(kind) for kind in kinds])
    for place, peak_mb in enumerate(values.sum(axis=1)):
        number(axes, peak_mb, place, significant(peak_mb))
    axes.margins(x=0.14)
    entries = [Patch(label=kind.replace("_", " "), **_paint(kind)) for kind in kinds]
    figure.legend(handles=entries, loc="outside lower left", ncols=3)
    table = (
        values.assign(together=values.sum(axis=1))
        .rename_axis("model")
        .rename(columns=lambda name: name.replace("_", " "))
    )
    texts = table.map(lambda value: significant(value) if value else MISSING)
    together = "; ".join(f"{name} {text}" for name, text in texts["together"].items())
    return Plot(
        topic="memory-peak",
        name=f"memory-peak-{group.slug}",
        title="The peak by kind",
        conditions=group.conditions,
        unit="MB (10⁶ bytes)",
        caption=(
            "Memory at the step's peak. Activations are allocated in the forward pass, activation gradients in the "
            "backward pass. Workspace is what one operation allocates and frees, or what a library keeps."
        ),
        alt=f"Stacked bars. At the peak, in MB: {together}.",
        figure=figure,
        table=texts,
    )


@matplotlib.rc_context(RC)
def _timeline(profile: Profile, found: MemoryProfile, group: Group) -> Plot:
    times, sizes = np.array(found.timeline, dtype=float).T
    figure, axes = drawing.canvas(
        f"{plain(profile.name, 30)}, {group.conditions}", xlabel="ms since the start of the recorded step", ylabel="MB"
    )
    axes.step(times / 1e3, sizes / MB, where="post", color=LIGHT["family-0"], linewidth=1.2)
    axes.axhline(found.before_bytes / MB, color=LIGHT["muted"], linewidth=1, linestyle=(0, (4, 2.5)))
    peak_mb = found.peak_bytes / MB
    axes.plot(found.peak_us / 1e3, peak_mb, marker="v", color=LIGHT["bad"], zorder=4)
    axes.annotate(
        f"{significant(peak_mb)} MB" + (f", {found.peak_part}" if found.peak_part else ""),
        (found.peak_us / 1e3, peak_mb),
        xytext=(0, 6),
        textcoords="offset points",
        ha="right" if found.peak_us > 0.7 * times[-1] else "center",
        fontsize=8,
    )
    axes.set_ylim(0, 1.12 * peak_mb)
    return Plot(
        topic="memory-timeline",
        name=f"memory-{slug(profile.name)}-{group.slug}",
        title=f"Memory over a step: {profile.name}",
        conditions=group.conditions,
        unit="MB: the largest tensors at the peak",
        caption=(
            "Bytes in tensors and workspaces, as allocated. The dashed line is the memory before the step. Recording "
            "slows the step down: its times show the order only. The table has the largest tensors at the peak, with "
            "the line that allocated them."
        ),
        alt=(
            f"A line that starts at {significant(found.before_bytes / MB)} MB and peaks at {significant(peak_mb)} MB"
            + (f" in {found.peak_part}." if found.peak_part else ".")
        ),
        figure=figure,
        table=_largest(found.largest),
    )


def _largest(found: Sequence[TensorGroup]) -> pd.DataFrame:
    rows = [
        [
            f"{each.count} of {each.kind.replace('_', ' ')}",
            significant(each.bytes / MB),
            significant(each.bytes * each.count / MB),
            each.component,
            each.name or MISSING,
            each.line or MISSING,
        ]
        for each in found
    ]
    columns = ["tensors", "MB each", "MB together", "component", "one of them", "allocated in"]
    return pd.DataFrame(rows, columns=columns).set_index("tensors")


def _paint(kind: str) -> dict[str, Any]:
    color, alpha = PAINT[kind]
    return {"color": LIGHT[color], "alpha": alpha}
