"""The points of the paper's two figures beside what was measured for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dig_bench import paper
from dig_bench.cell import Cell
from dig_bench.claims.conditions import Conditions, Figure
from dig_bench.claims.measured import Machine, Ratio, memory_ratio, speed, speed_ratio

_OURS = "DiG"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a point: what the paper shows, or what was measured. None where there is nothing."""

    images_per_s: float | None = None
    memory_gb: float | None = None
    """10^9 bytes."""
    speedup: float | None = None
    """DiG's images per second over this model's, at the same resolution."""
    memory_ratio: float | None = None
    """This model's memory over DiG's."""


@dataclass(frozen=True, kw_only=True)
class Point:
    name: str
    """DiT-S/2@math"""
    family: str
    backend: str
    size: str
    resolution_px: int
    paper: Side
    measured: Side
    status: str
    """Of the measured cell; `missing` without one."""
    speedup: Ratio | None
    """`measured.speedup` with its interval."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A figure's points under one set of conditions."""

    figure: Figure
    conditions: Conditions
    points: tuple[Point, ...]

    @property
    def title(self) -> str:
        return "Speed and memory over resolution, S/2" if self.figure == "teaser" else "Speed over model size"


def panels(machines: Sequence[Machine], figure: Figure) -> list[Panel]:
    """Those with a measured point, the nearest to the paper's conditions first."""
    shown = (paper.speed_memory() if figure == "teaser" else paper.scaling()).to_dict("records")
    models = {f"{record['family']}-{record['size']}" for record in shown if record["family"] == _OURS}
    found = [
        panel
        for machine in machines
        for ours in _series(machine, models)
        for panel in [_panel(machine, ours, figure, shown)]
        if any(point.measured.images_per_s for point in panel.points)
    ]
    return sorted(found, key=lambda panel: panel.conditions.distance(figure, panel.conditions.theirs))


def _series(machine: Machine, models: set[str]) -> Iterable[Cell]:
    """Conditions under which any of the models was swept: cells without model and resolution."""
    keys = (key for key in machine.processes.rows if key.model in models and key.backend != "reference")
    return dict.fromkeys(replace(key, model="", resolution_px=0) for key in keys)


def _panel(machine: Machine, ours: Cell, figure: Figure, shown: Sequence[dict[Any, Any]]) -> Panel:
    conditions = Conditions.of(
        replace(ours, model=_OURS),
        "the others",
        device_name=machine.device_name,
        source=machine.processes.source,
    )
    return Panel(figure=figure, conditions=conditions, points=tuple(_points(machine, ours, shown)))


def _points(machine: Machine, ours: Cell, shown: Sequence[dict[Any, Any]]) -> Iterator[Point]:
    of_dig = {(each["size"], each["resolution_px"]): each for each in shown if each["family"] == _OURS}
    processes = machine.processes
    for record in shown:
        backend = ours.backend if record["family"] == _OURS else str(record["backend"])
        size, resolution_px = str(record["size"]), int(record["resolution_px"])
        key = replace(ours, model=f"{record['family']}-{size}", backend=backend, resolution_px=resolution_px)
        our_key = replace(ours, model=f"{_OURS}-{size}", resolution_px=resolution_px)
        is_ours = key == our_key
        memory_mib = processes.figures(key, "memory")
        speedup = None if is_ours else speed_ratio(processes, our_key, key)
        frugality = None if is_ours else memory_ratio(processes, our_key, key)
        yield Point(
            name=key.name,
            family=str(record["family"]),
            backend=backend,
            size=size,
            resolution_px=resolution_px,
            paper=_shown(record, None if is_ours else of_dig.get((record["size"], record["resolution_px"]))),
            measured=Side(
                images_per_s=speed(processes, key),
                memory_gb=max(memory_mib) * 2**20 / 1e9 if memory_mib else None,
                speedup=speedup.value if speedup else None,
                memory_ratio=frugality.value if frugality else None,
            ),
            status=processes.status(key),
            speedup=speedup,
        )


def _shown(record: dict[Any, Any], of_dig: dict[Any, Any] | None) -> Side:
    def number(key: str) -> float | None:
        value = record.get(key)
        return None if value is None or value != value else float(value)

    images, gb = number("images_per_s"), number("memory_gb")
    return Side(
        images_per_s=images,
        memory_gb=gb,
        speedup=of_dig["images_per_s"] / images if of_dig and images else None,
        memory_ratio=gb / of_dig["memory_gb"] if of_dig and gb else None,
    )
