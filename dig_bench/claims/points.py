"""The points of the paper's two figures, beside the measurements that correspond to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dig_bench import paper
from dig_bench.cell import Key
from dig_bench.claims.conditions import NO_CONTENDER, Figure, distance
from dig_bench.claims.machines import Machine
from dig_bench.claims.ratios import Ratio, memory_ratio, speed, speed_ratio

_OURS = "DiG"


@dataclass(frozen=True, kw_only=True)
class Side:
    """The values of a point: the paper's or the measured ones. None where there is no value."""

    images_per_s: float | None = None
    memory_gb: float | None = None
    """10^9 bytes."""
    speedup: float | None = None
    """DiG's images per second over this model's, at the same resolution."""
    memory_ratio: float | None = None
    """This model's memory over DiG's."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a figure."""

    name: str
    """Model and backend: `DiT-S/2@math`."""
    family: str
    backend: str
    size: str
    resolution_px: int
    paper: Side
    measured: Side
    status: str
    """Status of the measured cell; `missing` without one."""
    speedup: Ratio | None
    """`measured.speedup` with its interval."""
    saving: Ratio | None
    """`measured.memory_ratio` with the processes that it rests on."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A figure's points under one set of conditions."""

    figure: Figure
    ours: Key
    """DiG's cells, with model, resolution and process blank. The other models have backends of their own."""
    device_name: str
    source: str
    """The results folders."""
    points: tuple[Point, ...]

    @property
    def title(self) -> str:
        """Title of the figure."""
        return "Speed and memory over resolution, S/2" if self.figure == "teaser" else "Speed over model size"

    def label(self) -> str:
        """`DiG@fla · train · tf32 · CUDA graph · batch 1 · H100`."""
        return replace(self.ours, model=_OURS).label(device_name=self.device_name)


def panels(machines: Sequence[Machine], figure: Figure) -> list[Panel]:
    """Panels with at least one measured point, those nearest to the paper's conditions first."""
    shown = (paper.speed_memory() if figure == "teaser" else paper.scaling()).to_dict("records")
    models = {f"{record['family']}-{record['size']}" for record in shown if record["family"] == _OURS}
    found = [
        Panel(
            figure=figure,
            ours=ours,
            device_name=machine.device_name,
            source=machine.evidence.source,
            points=tuple(_points(machine, ours, shown)),
        )
        for machine in machines
        for ours in _conditions(machine, models)
    ]
    drawable = (panel for panel in found if any(point.measured.images_per_s for point in panel.points))
    return sorted(drawable, key=lambda panel: distance(panel.ours, figure))


def _conditions(machine: Machine, models: set[str]) -> Iterable[Key]:
    """Conditions under which any of DiG's models was measured."""
    keys = (key for key in machine.evidence.rows if key.model in models and key.backend != NO_CONTENDER)
    return dict.fromkeys(key.without("model", "resolution_px") for key in keys)


def _points(machine: Machine, ours: Key, shown: Sequence[dict[Any, Any]]) -> Iterator[Point]:
    of_dig = {(each["size"], each["resolution_px"]): each for each in shown if each["family"] == _OURS}
    evidence = machine.evidence
    for record in shown:
        backend = ours.backend if record["family"] == _OURS else str(record["backend"])
        size, resolution_px = str(record["size"]), int(record["resolution_px"])
        key = replace(ours, model=f"{record['family']}-{size}", backend=backend, resolution_px=resolution_px)
        our_key = replace(ours, model=f"{_OURS}-{size}", resolution_px=resolution_px)
        is_ours = key == our_key
        memory_mib = evidence.values(key, "memory")
        speedup = None if is_ours else speed_ratio(evidence, our_key, key)
        saving = None if is_ours else memory_ratio(evidence, our_key, key)
        yield Point(
            name=key.name,
            family=str(record["family"]),
            backend=backend,
            size=size,
            resolution_px=resolution_px,
            paper=_published(record, None if is_ours else of_dig.get((record["size"], record["resolution_px"]))),
            measured=Side(
                images_per_s=speed(evidence, key),
                memory_gb=max(memory_mib) * 2**20 / 1e9 if memory_mib else None,
                speedup=speedup.value if speedup else None,
                memory_ratio=saving.value if saving else None,
            ),
            status=evidence.status(key),
            speedup=speedup,
            saving=saving,
        )


def _published(record: dict[Any, Any], of_dig: dict[Any, Any] | None) -> Side:
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
