"""Launch gaps: latency of a step without a profiler, beside the sum of its kernels and the host's time."""

from __future__ import annotations

import gc

import torch
from torch.profiler import ProfilerActivity, profile

from dig_bench.measure import latency
from dig_bench.measure.energy import measure_energy
from dig_bench.measure.latency import Sampling, WarmUp
from dig_bench.measure.memory import is_out_of_memory
from dig_bench.measure.statistics import summarise
from dig_bench.measure.timer import timer_for
from dig_bench.profile.attribution import device_ms, on_device
from dig_bench.profile.record import Gaps
from dig_bench.run.capture import CaptureError, capture
from dig_bench.run.measure_cell import gpu_monitor
from dig_bench.run.step import Step

STEPS = 5
"""Steps that are profiled back to back, after others, so that clocks and caches are in a steady state."""

WARM_UP = WarmUp(max_seconds=5.0)

SAMPLING = Sampling(min_samples=12, max_samples=200, min_seconds=0.5, max_seconds=3.0, target_half_width=0.01)


def latency_ms(step: Step, device: str) -> tuple[float, float | None]:
    """Returns the median latency of a step, and of the host issuing it (None on a CPU).

    The L2 cache stays warm, as it is for the profiled steps.
    """
    parts = list(step.parts.values())
    times = latency.measure(parts, timer_for(device, flush_l2=False), warm_up=WARM_UP, sampling=SAMPLING).times
    return summarise(times.total_ms).median, summarise(times.host_ms).median if times.host_ms else None


def energy(step: Step, device: str, seconds: float) -> dict[str, float | None]:
    """Returns the energy fields of Gaps, measured over `seconds` of steps back to back; {} without NVML or seconds."""
    if device != "cuda" or not seconds:
        return {}
    with gpu_monitor(device) as monitor:
        assert monitor is not None
        found = measure_energy(list(step.parts.values()), timer_for(device, flush_l2=False), monitor, seconds=seconds)
    return {
        "joules": found.joules_per_call,
        "power_w": found.power_w_mean,
        "sm_clock_mhz": found.recording.sm_clock_mhz,
    }


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
        **energy(graph, "cuda", energy_seconds),
    )
    del graph
    gc.collect()
    torch.cuda.empty_cache()
    return found
