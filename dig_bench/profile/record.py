"""What a profile holds: frozen, and JSON-able by dataclasses.asdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dig_bench.cell import Cell
from dig_bench.files import json_codec
from dig_bench.measure.roofline import Roofline
from dig_bench.profile.memory_profile import MemoryProfile

PHASES = ("forward", "backward", "optimizer")


@dataclass(frozen=True, kw_only=True)
class KernelTime:
    """One kernel of one component in one phase; on a CPU, one operator."""

    name: str
    component: str
    phase: str
    calls: float
    """A step."""
    total_ms: float
    """Of a step."""
    share: float
    """Of the step's time on the device."""

    @property
    def mean_us(self) -> float:
        return 1e3 * self.total_ms / self.calls if self.calls else 0.0


@dataclass(frozen=True, kw_only=True)
class ComponentTime:
    """One component, summed over blocks. Times on the device, in ms a step; FLOPs and bytes a step."""

    component: str
    forward_ms: float = 0.0
    backward_ms: float = 0.0
    optimizer_ms: float = 0.0
    launches: float = 0.0
    flops: float = 0.0
    """Exact, of all phases: a backward pass has twice those of the forward pass."""
    least_bytes: float = 0.0
    """That its operations have to read and write once, of all phases."""

    @property
    def total_ms(self) -> float:
        return self.forward_ms + self.backward_ms + self.optimizer_ms

    def phase_ms(self, phase: str) -> float:
        return float(getattr(self, f"{phase}_ms"))


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """How one execution keeps the device busy."""

    execution: str
    latency_ms: float
    """Unprofiled, the median."""
    host_ms: float | None
    """In which the host issued the step."""
    busy_ms: float
    """Sum of its kernels."""
    launches: float
    joules: float | None = None
    """Of a step, unprofiled, by the GPU's own counter; None where there is none."""
    power_w: float | None = None
    sm_clock_mhz: float | None = None
    """While it was busy with such steps."""

    @property
    def idle_ms(self) -> float:
        return max(0.0, self.latency_ms - self.busy_ms)

    @property
    def idle_share(self) -> float:
        """Host-bound where the execution is eager."""
        return self.idle_ms / self.latency_ms


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One cell. The components' times add up to `device_ms`."""

    cell: Mapping[str, Any]
    environment: Mapping[str, Any]
    kernels_of_backend: str
    num_tokens: int
    parameters: int
    device_ms: float
    """Of a step: the sum of its kernels while profiled; on a CPU the profiled step's time."""
    unprofiled_ms: float
    """Of a step, of the execution with the least gaps: a graph's latency, or eager where there is none."""
    components: Sequence[ComponentTime]
    blocks: Mapping[str, float]
    """Block -> ms a step."""
    kernels: Sequence[KernelTime]
    gaps: Sequence[Gaps]
    roofs: Roofline
    memory: MemoryProfile | None = None
    notes: Sequence[str] = field(default_factory=tuple)
    """What a reader has to know before believing it."""

    @property
    def name(self) -> str:
        """`DiG-XL/2@fla`."""
        return f"{self.cell['model']}@{self.cell['backend']}"

    @property
    def where(self) -> str:
        """What `device_ms` is spent on, in words."""
        return "the device" if self.cell["device"] == "cuda" else "the CPU"

    @property
    def phases(self) -> tuple[str, ...]:
        return PHASES if self.cell["mode"] == "train" else PHASES[:1]

    @property
    def by_component(self) -> dict[str, ComponentTime]:
        return {each.component: each for each in self.components}

    @property
    def joules_per_image(self) -> float | None:
        """By the execution with the least gaps."""
        least = min(self.gaps, key=lambda each: each.latency_ms, default=None)
        return None if least is None or least.joules is None else least.joules / self.cell["batch_size"]

    @property
    def launches(self) -> float:
        return sum(component.launches for component in self.components)

    @property
    def disagreement(self) -> float:
        """Of the profiled run with the unprofiled one, both as time on the device, as a share."""
        graph = next((gaps for gaps in self.gaps if gaps.execution == "graph"), None)
        if graph is None:
            return self.device_ms / self.unprofiled_ms - 1
        return self.device_ms / graph.busy_ms - 1


def read(value: Any) -> Profile:
    """Of dataclasses.asdict, read back from JSON. ValueError when it is none."""
    try:
        found = json_codec.build(Profile, value)
        cell = json_codec.build(Cell, found.cell, "cell")
        if cell.precision not in found.roofs.gemm:
            raise ValueError(f"no roof of {cell.precision}")
        _check_figures(found, cell)
    except ValueError as error:
        raise ValueError(f"this is no profile: {error}") from None
    return replace(found, cell=cell.as_dict())


def _check_figures(found: Profile, cell: Cell) -> None:
    """ValueError for those that no measurement has, and that others are divided by."""
    positive = {"device_ms": found.device_ms, "unprofiled_ms": found.unprofiled_ms, "batch_size": cell.batch_size}
    positive |= {f"the {each.execution} step's busy_ms": each.busy_ms for each in found.gaps}
    positive |= {f"the roof of {name}": each.median for name, each in found.roofs.gemm.items()}
    positive["the roof of a copy"] = found.roofs.bandwidth_gb_per_s
    if found.memory is not None:
        positive["peak_bytes"] = found.memory.peak_bytes
        positive["the length of the timeline"] = len(found.memory.timeline)
    for name, value in positive.items():
        if not value > 0:
            raise ValueError(f"{name} is {value}")
