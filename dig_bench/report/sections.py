"""The figures of a document, by topic: in each the panel to look at first, and the others behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from dig_bench import paper
from dig_bench.render.plot import Plot
from dig_bench.render.style import Look
from dig_bench.render.text import plain, slug
from dig_bench.report import figures, figures_energy, figures_growth, growth, tables
from dig_bench.report.series import Panel, of_one_size, panels


@dataclass(frozen=True, kw_only=True)
class Section:
    id: str
    title: str
    intro: str
    groups: list[list[Plot]]
    """Plots of one panel each, the panel to look at first in front."""


class Sections:
    """Draws the sections of prepared rows; one without a figure is left out."""

    def __init__(self, data: pd.DataFrame, *, baseline: str | None = None) -> None:
        self._data = data
        self._baseline = baseline
        self._look = Look(data)
        self._given_names: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Section]:
        topics = (
            (
                "speed-memory",
                "Speed and memory over resolution",
                "As the paper draws them: the natural logarithm of images per second, and gigabytes on a linear scale. "
                "The paper's own points are dashed; compare their shape and their ratios, not their height.",
                self.speed_memory(),
            ),
            (
                "sizes",
                "Speed over model size",
                "Images per second from the smallest to the largest model, at one resolution. The paper's points are "
                "dashed.",
                self._model_sizes(),
            ),
            (
                "speedup",
                "Speed-up against a baseline",
                "How many times as fast a model is as the baseline, both measured here under the same conditions.",
                self._speedups(),
            ),
            (
                "growth",
                "Growth with the number of tokens",
                "Time and memory as powers of the number of tokens, and the resolutions at which models overtake the "
                "baseline.",
                self._growth(),
            ),
            (
                "launch-bound",
                "Launch-bound share",
                "The same call, launched kernel by kernel from Python (eager) and replayed as one CUDA graph.",
                self._launch_bound(),
            ),
            ("training", "Parts of a training step", "Forward pass, backward pass, optimiser.", self._training_parts()),
            (
                "energy",
                "Energy",
                "What the device draws for one image, how much at a time, and both time and energy in one figure.",
                self._energy(),
            ),
        )
        for id, title, intro, drawn in topics:
            if groups := [plots for plots in drawn if plots]:
                yield Section(id=id, title=title, intro=intro, groups=groups)

    def speed_memory(self) -> Iterator[list[Plot]]:
        for panel, size, rows in self._swept():
            behind = _behind(paper.speed_memory(), rows)
            plots = []
            if rows["is_measured"].any() or (rows["status"] == "oom").any():
                naming = self._naming("speed", panel, size)
                plots.append(figures.speed(tables.speed(rows), behind, self._look, **naming))
            if rows["memory_gb"].notna().any():
                naming = self._naming("memory", panel, size)
                plots.append(figures.memory(tables.memory(rows), behind, self._look, **naming))
            yield plots

    def _model_sizes(self) -> Iterator[list[Plot]]:
        for panel, rows in panels(self._data):
            plots = []
            for resolution, here in rows[rows["size"] != ""].groupby("resolution_px"):
                if here.loc[here["is_measured"], "size"].nunique() > 1:
                    naming = self._naming(f"sizes-{resolution:.0f}px", panel)
                    published = _behind(paper.scaling(), here)
                    published = published.assign(label="paper: " + published["model"])
                    plots.append(figures.model_sizes(tables.speed(here), published, self._look, **naming))
            yield plots

    def _speedups(self) -> Iterator[list[Plot]]:
        for panel, size, rows in self._swept():
            if baseline := tables.baseline_of(rows, self._baseline):
                ratios = tables.speedup(rows, baseline)
                if ratios.loc[ratios["name"] != baseline, "value"].notna().any():
                    naming = self._naming("speedup", panel, size)
                    yield [figures.speedup(ratios, baseline, self._look, **naming)]

    def _growth(self) -> Iterator[list[Plot]]:
        for panel, size, rows in self._swept():
            plots = []
            fits = growth.exponents(rows)
            for quantity in fits["quantity"].unique() if len(fits) else ():
                naming = self._naming(f"growth-{quantity}", panel, size)
                plots.append(figures_growth.exponents(fits, self._look, quantity=quantity, **naming))
            if baseline := tables.baseline_of(rows, self._baseline):
                ratios = tables.speedup(rows, baseline)
                others = ratios[(ratios["name"] != baseline) & ratios["value"].notna()]
                if others["resolution_px"].nunique() > 1:
                    found = {name: growth.crossovers(rows, name, baseline) for name in others["name"].unique()}
                    naming = self._naming("crossovers", panel, size)
                    plots.append(figures_growth.crossovers(others, found, baseline, self._look, **naming))
            yield plots

    def _launch_bound(self) -> Iterator[list[Plot]]:
        conditions = ["mode", "precision", "batch_size", "device"]
        for panel, size, rows in self._swept():
            shares = tables.launch_bound(self._data.merge(rows[["name", *conditions]].drop_duplicates()))
            # Both executions have a panel; the shares are the same.
            if panel.execution == "graph" and len(shares):
                naming = self._naming("launch-bound", replace(panel, execution="eager and graph"), size)
                yield [figures.launch_bound(shares, self._look, **naming)]

    def _training_parts(self) -> Iterator[list[Plot]]:
        for panel, size, rows in self._swept():
            parts = tables.training_parts(rows)
            if len(parts):
                yield [figures.training_parts(parts, self._look, **self._naming("training", panel, size))]

    def _energy(self) -> Iterator[list[Plot]]:
        for panel, size, rows in self._swept():
            plots = []
            for quantity, points in tables.energy(rows).items():
                naming = self._naming(quantity, panel, size)
                plots.append(figures_energy.energy(points, self._look, quantity=quantity, **naming))
            yield plots

    def _swept(self) -> Iterator[tuple[Panel, str, pd.DataFrame]]:
        for panel, rows in panels(self._data):
            for size, of_size in of_one_size(rows):
                yield panel, size, of_size

    def _naming(self, topic: str, panel: Panel, size: str = "") -> dict[str, Any]:
        """Name and conditions of a plot. A name is given out once, whatever the rows held."""
        name = "-".join(filter(None, [topic, panel.slug, slug(size)]))
        self._given_names[name] += 1
        repetition = self._given_names[name]
        conditions = f"{size}: {panel.label}" if size else panel.label
        return {"name": name if repetition == 1 else f"{name}-{repetition}", "conditions": plain(conditions)}


def _behind(published: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The paper's points of the families and sizes that were swept, between the same resolutions."""
    resolutions = rows["resolution_px"]
    return published[
        published["family"].isin(rows["family"])
        & published["size"].isin(rows["size"])
        & published["resolution_px"].between(resolutions.min(), resolutions.max())
    ]
