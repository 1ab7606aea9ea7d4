"""Profile: where one cell's step spends its time and memory. Stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dig_bench.cell import Cell
from dig_bench.files import json_codec
from dig_bench.measure.roofline import Roofline
from dig_bench.profile.memory_profile import MemoryProfile

PHASES = ("forward", "backward", "optimizer")


@dataclass(frozen=True, kw_only=True)
class KernelTime:
    """One kernel of one component in one phase, per step; on a CPU, one operator."""

    name: str
    component: str
    phase: str
    calls: float
    total_ms: float
    share: float
    """Share of the step's time on the device."""

    @property
    def mean_us(self) -> float:
        return 1e3 * self.total_ms / self.calls if self.calls else 0.0


@dataclass(frozen=True, kw_only=True)
class ComponentTime:
    """One component, summed over blocks, per step. Times are on the device."""

    component: str
    forward_ms: float = 0.0
    backward_ms: float = 0.0
    optimizer_ms: float = 0.0
    kernel_launches: float = 0.0
    flops: float = 0.0
    """Exact FLOPs of all phases; a backward pass counts as two forward passes."""
    least_bytes: float = 0.0
    """Bytes that the operations have to read and write at least once, in all phases."""

    @property
    def total_ms(self) -> float:
        return self.forward_ms + self.backward_ms + self.optimizer_ms

    def phase_ms(self, phase: str) -> float:
        return float(getattr(self, f"{phase}_ms"))


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """Busy and idle time of the device in one execution, and its kernel launches."""

    execution: str
    latency_ms: float
    """Median latency without a profiler."""
    host_ms: float | None
    """Median time in which the host issues the step; None on a CPU."""
    busy_ms: float
    """Sum of the kernels' times."""
    kernel_launches: float
    joules: float | None = None
    """Energy of a step without a profiler, by the GPU's counter; None where there is none."""
    power_w: float | None = None
    sm_clock_mhz: float | None = None
    """Mean clock during the energy measurement."""

    @property
    def idle_ms(self) -> float:
        return max(0.0, self.latency_ms - self.busy_ms)

    @property
    def idle_share(self) -> float:
        """Idle share of the latency. In eager mode it is launch overhead."""
        return self.idle_ms / self.latency_ms


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One cell. The components' times add up to `device_ms`."""

    cell: Cell
    environment: Mapping[str, Any]
    kernels_of_backend: str
    num_tokens: int
    parameters: int
    device_ms: float
    """Sum of a profiled step's kernels; on a CPU, the profiled step's time."""
    unprofiled_ms: float
    """Latency of a step without a profiler, in the faster execution: CUDA graph or eager."""
    components: Sequence[ComponentTime]
    blocks: Mapping[str, float]
    """Block -> ms per step."""
    kernels: Sequence[KernelTime]
    gaps: Sequence[Gaps]
    roofline: Roofline
    memory: MemoryProfile | None = None
    notes: Sequence[str] = field(default_factory=tuple)
    """Reasons to doubt the profile."""

    @property
    def name(self) -> str:
        """`DiG-XL/2@fla`."""
        return self.cell.name

    @property
    def where(self) -> str:
        """`the GPU` or `the CPU`."""
        return "the GPU" if self.cell.device == "cuda" else "the CPU"

    @property
    def phases(self) -> tuple[str, ...]:
        return PHASES if self.cell.mode == "train" else PHASES[:1]

    @property
    def by_component(self) -> dict[str, ComponentTime]:
        return {each.component: each for each in self.components}

    @property
    def joules_per_image(self) -> float | None:
        """Energy in the faster execution."""
        least = min(self.gaps, key=lambda each: each.latency_ms, default=None)
        return None if least is None or least.joules is None else least.joules / self.cell.batch_size

    @property
    def kernel_launches(self) -> float:
        return sum(component.kernel_launches for component in self.components)

    @property
    def disagreement(self) -> float:
        """Relative difference of the profiled device time from the unprofiled one."""
        graph = next((gaps for gaps in self.gaps if gaps.execution == "graph"), None)
        if graph is None:
            return self.device_ms / self.unprofiled_ms - 1
        return self.device_ms / graph.busy_ms - 1


def read(value: Any) -> Profile:
    """Builds a profile from parsed JSON. Raises ValueError with the reason when the value is no profile."""
    try:
        found: Profile = json_codec.build(Profile, value)
        if found.cell.precision not in found.roofline.gemm:
            raise ValueError(f"roofline.gemm has no {found.cell.precision}")
        _check_values(found)
    except ValueError as error:
        raise ValueError(f"this is no profile: {error}") from None
    return found


def _check_values(found: Profile) -> None:
    """Raises ValueError for values that no measurement has and that other values are divided by."""
    positive = {"device_ms": found.device_ms, "unprofiled_ms": found.unprofiled_ms, "batch_size": found.cell.batch_size}
    positive |= {f"the {each.execution} step's busy_ms": each.busy_ms for each in found.gaps}
    positive |= {f"roofline.gemm.{name}": each.median for name, each in found.roofline.gemm.items()}
    positive["roofline.copy"] = found.roofline.bandwidth_gb_per_s
    if found.memory is not None:
        positive["peak_bytes"] = found.memory.peak_bytes
        positive["the length of the timeline"] = len(found.memory.timeline)
    for name, value in positive.items():
        if not value > 0:
            raise ValueError(f"{name} is {value}")
