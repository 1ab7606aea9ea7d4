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

POWER_CAP = "sw_power_cap"
"""Throttle reason of a GPU at its power limit."""

REPRESENTATIVE = 0.2
"""Largest relative difference of profiled and unprofiled time from which conclusions are drawn."""


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
    cached_bytes: float | None = None
    """Part of `least_bytes` that may stay in the last-level cache; None if its size is unknown."""

    @property
    def total_ms(self) -> float:
        return self.forward_ms + self.backward_ms + self.optimizer_ms

    def phase_ms(self, phase: str) -> float:
        return float(getattr(self, f"{phase}_ms"))


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """Latency and energy of a step in one execution, without a profiler, and its kernels and gaps, from one trace."""

    execution: str
    latency_ms: float
    """Median latency."""
    host_ms: float | None
    """Median time in which the host issues the step; None on a CPU."""
    busy_ms: float
    """Sum of the kernels' times in the trace."""
    kernel_launches: float
    joules: float | None = None
    """Energy of a step, by the GPU's counter; None where there is none."""
    power_w: float | None = None
    sm_clock_mhz: float | None = None
    """Mean clock during the energy measurement."""
    latency_low_ms: float | None = None
    latency_high_ms: float | None = None
    """95 % interval of the median latency."""
    throttle_reasons: str | None = None
    """Throttle reasons while the latency was sampled, separated by spaces; None on a CPU."""
    traced_ms: float | None = None
    """Time from the start of a step's first kernel to the end of its last one, in the trace."""
    gap_ms: float | None = None
    """Part of `traced_ms` in which no kernel, copy or fill runs. None on a CPU, in earlier profiles, and where the
    steps of the trace differ."""

    @property
    def gap_share(self) -> float | None:
        """Share of gaps in a step of the trace."""
        return None if self.gap_ms is None or not self.traced_ms else self.gap_ms / self.traced_ms

    @property
    def shows_gaps(self) -> bool:
        """True if the trace has gaps and is close to an untraced step. That of an eager step shows the profiler's own
        launch overhead if the step is CPU-bound."""
        return self.gap_ms is not None and abs(self.trace_excess or 0.0) <= REPRESENTATIVE

    @property
    def gap_us_per_launch(self) -> float | None:
        return None if self.gap_ms is None else 1e3 * self.gap_ms / self.kernel_launches

    @property
    def trace_excess(self) -> float | None:
        """Relative difference of a traced step from an untraced one; None without a trace of equal steps."""
        return None if self.traced_ms is None else self.traced_ms / self.latency_ms - 1

    @property
    def is_power_capped(self) -> bool | None:
        """True if the GPU ran at its power limit; None if unknown."""
        return None if self.throttle_reasons is None else POWER_CAP in self.throttle_reasons.split()


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
    roofline: Roofline | None
    """None on a CPU that was too busy to measure one."""
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
    def fastest(self) -> Gaps | None:
        """The faster execution."""
        return min(self.gaps, key=lambda each: each.latency_ms, default=None)

    @property
    def joules_per_image(self) -> float | None:
        """Energy in the faster execution."""
        fastest = self.fastest
        return None if fastest is None or fastest.joules is None else fastest.joules / self.cell.batch_size

    @property
    def kernel_launches(self) -> float:
        return sum(component.kernel_launches for component in self.components)

    @property
    def disagreement(self) -> float:
        """Relative difference of the profiled time from the unprofiled one.

        On a GPU the profiled time is the device time and the gaps of the CUDA graph's trace, or of the eager one's. A
        profile without gaps compares the device time with that of the graph's trace.
        """
        by_execution = {each.execution: each for each in self.gaps}
        graph = by_execution.get("graph")
        traced = graph or by_execution.get("eager")
        if traced is not None and traced.gap_ms is not None:
            return (self.device_ms + traced.gap_ms) / traced.latency_ms - 1
        return self.device_ms / (self.unprofiled_ms if graph is None else graph.busy_ms) - 1

    @property
    def is_representative(self) -> bool:
        """True if the profile is close enough to the unprofiled step to draw conclusions from it."""
        return abs(self.disagreement) <= REPRESENTATIVE


def read(value: Any) -> Profile:
    """Builds a profile from parsed JSON. Raises ValueError with the reason when the value is no profile."""
    try:
        found: Profile = json_codec.build(Profile, value)
        if found.roofline is not None and found.cell.precision not in found.roofline.gemm:
            raise ValueError(f"roofline.gemm has no {found.cell.precision}")
        _check_values(found)
    except ValueError as error:
        raise ValueError(f"this is no profile: {error}") from None
    return found


def _check_values(found: Profile) -> None:
    """Raises ValueError for values that no measurement has and that other values are divided by."""
    positive = {"device_ms": found.device_ms, "unprofiled_ms": found.unprofiled_ms, "batch_size": found.cell.batch_size}
    positive |= {f"the {each.execution} step's busy_ms": each.busy_ms for each in found.gaps}
    positive |= {f"the {each.execution} step's latency_ms": each.latency_ms for each in found.gaps}
    positive |= {f"the {each.execution} step's kernel_launches": each.kernel_launches for each in found.gaps}
    if found.roofline is not None:
        positive |= {f"roofline.gemm.{name}": each.median for name, each in found.roofline.gemm.items()}
        positive["roofline.copy"] = found.roofline.bandwidth_gb_per_s
    if found.memory is not None:
        positive["peak_bytes"] = found.memory.peak_bytes
        positive["the length of the timeline"] = len(found.memory.timeline)
    for name, value in positive.items():
        if not value > 0:
            raise ValueError(f"{name} is {value}")
