"""Launch gaps: latency of a step without a profiler, beside the sum of its kernels and the host's time."""

from __future__ import annotations

import gc
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from dig_bench.measure import latency
from dig_bench.measure.energy import measure_energy
from dig_bench.measure.memory import is_out_of_memory
from dig_bench.measure.nvml import open_gpu
from dig_bench.measure.statistics import summarise
from dig_bench.profile.attribution import device_ms, on_device
from dig_bench.profile.record import Gaps
from dig_bench.run.capture import CaptureError, capture
from dig_bench.run.step import Step

STEPS = 5
"""Steps that are profiled back to back, after others, so that clocks and caches are in a steady state."""

TIMING: dict[str, Any] = {
    "min_samples": 5,
    "max_samples": 200,
    "min_seconds": 0.5,
    "max_seconds": 3.0,
    "target_half_width": 0.01,
}


def latency_ms(step: Step, device: str) -> tuple[float, float | None]:
    """Returns the median latency of a step, and of the host issuing it (None on a CPU).

    The L2 cache stays warm, as it is for the profiled steps.
    """
    timer = latency.timer_for(device, flush_l2=False)
    parts = list(step.parts.values())
    latency.warm_up(parts, timer, agreement=0.02, max_rounds=200, max_seconds=1.0)
    times = latency.sample(parts, timer, **TIMING)
    return summarise(times.total_ms).median, summarise(times.host_ms).median if times.host_ms else None


def energy(step: Step, device: str, latency_ms: float, seconds: float) -> dict[str, float | None]:
    """Returns the energy fields of Gaps, measured over `seconds` of steps back to back; {} without NVML or seconds."""
    gpu = open_gpu() if device == "cuda" and seconds else None
    if gpu is None:
        return {}
    found = measure_energy(step, gpu, call_ms=latency_ms, seconds=seconds)
    return {"joules": found.joules_per_call, "power_w": found.power_w_mean, "sm_clock_mhz": found.sm_clock_mhz}


def of_graph(step: Step, energy_seconds: float) -> Gaps | str:
    """Measures the step as CUDA graphs; returns the reason when there are none."""
    try:
        graph = capture(step)
    except CaptureError as error:
        return f"no CUDA graph: {error}"
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return "no CUDA graph: out of memory"
    median_ms, host_ms = latency_ms(graph, "cuda")
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        for _ in range(STEPS):
            graph()
        torch.cuda.synchronize()
    kernels = on_device(profiler.events())
    found = Gaps(
        execution="graph",
        latency_ms=median_ms,
        host_ms=host_ms,
        busy_ms=device_ms(kernels) / STEPS,
        kernel_launches=len(kernels) / STEPS,
        **energy(graph, "cuda", median_ms, energy_seconds),
    )
    del graph
    gc.collect()
    torch.cuda.empty_cache()
    return found
