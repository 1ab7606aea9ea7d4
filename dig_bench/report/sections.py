"""The figures of a page by topic: in each, the most telling panel first and the others behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from dig_bench.render.plot import Plot
from dig_bench.render.style import Look
from dig_bench.report.figures import (
    Context,
    Draw,
    crossovers,
    energy,
    exponents,
    launch_overhead,
    sizes,
    speed_memory,
    speedup,
    training,
)
from dig_bench.report.panels import panels


@dataclass(frozen=True, kw_only=True)
class Section:
    """A topic of the page with its figures."""

    id: str
    title: str
    intro: str
    groups: list[list[Plot]]
    """Plots of one panel each, the most telling panel first."""


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A section before it is drawn."""

    id: str
    title: str
    intro: str
    draw: tuple[Draw, ...]
    by_size: bool = True
    """Figures show one model size each."""


TOPICS = (
    Topic(
        id="speed-memory",
        title="Speed and memory over resolution",
        intro="Axes as in the paper: the natural logarithm of images per second, and gigabytes on a linear scale. The "
        "paper's own points are dashed; compare their shapes and ratios, not their heights.",
        draw=(speed_memory.draw,),
    ),
    Topic(
        id="sizes",
        title="Speed over model size",
        intro="Images per second from the smallest to the largest model at one resolution. The paper's points are "
        "dashed.",
        draw=(sizes.draw,),
        by_size=False,
    ),
    Topic(
        id="speedup",
        title="Speed-up over a baseline",
        intro="Speed of each model divided by the baseline's, both measured under the same conditions.",
        draw=(speedup.draw,),
    ),
    Topic(
        id="growth",
        title="Growth with the number of tokens",
        intro="Growth exponents of time and memory, and the resolutions at which models overtake the baseline.",
        draw=(exponents.draw, crossovers.draw),
    ),
    Topic(
        id="launch-bound",
        title="Launch overhead",
        intro="The same call in eager mode, in which Python launches every kernel, and replayed as one CUDA graph.",
        draw=(launch_overhead.draw,),
    ),
    Topic(
        id="training",
        title="Parts of a training step",
        intro="Forward pass, backward pass and optimiser.",
        draw=(training.draw,),
    ),
    Topic(
        id="energy",
        title="Energy",
        intro="Energy per image, mean power, and the product of energy and latency.",
        draw=(energy.draw,),
    ),
)


def sections(data: pd.DataFrame, *, baseline: str | None = None) -> list[Section]:
    """Returns the sections of prepared rows that have a figure. Names of plots are unique."""
    context = Context(data=data, look=Look(data), baseline=baseline)
    given: Counter[str] = Counter()
    found = []
    for topic in TOPICS:
        groups = [[_unique(plot, given) for plot in plots] for plots in _groups(topic, context) if plots]
        if groups:
            found.append(Section(id=topic.id, title=topic.title, intro=topic.intro, groups=groups))
    return found


def first_speed_memory(data: pd.DataFrame) -> list[Plot]:
    """Returns the paper's two figures for the most telling panel of prepared rows, as far as it has rows for them."""
    context = Context(data=data, look=Look(data))
    return next((speed_memory.draw(next(panel.by_size()), context) for panel in panels(data)), [])


def _groups(topic: Topic, context: Context) -> Iterator[list[Plot]]:
    for panel in panels(context.data):
        for part in panel.by_size() if topic.by_size else (panel,):
            yield [plot for draw in topic.draw for plot in draw(part, context)]


def _unique(plot: Plot, given: Counter[str]) -> Plot:
    """Returns the plot under a name that no other plot has, whatever the rows hold."""
    given[plot.name] += 1
    repetition = given[plot.name]
    return plot if repetition == 1 else replace(plot, name=f"{plot.name}-{repetition}")
