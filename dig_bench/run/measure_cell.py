"""Measures one cell in this process: Cell -> Row. Every failure becomes a status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from dig_bench.cell import Cell, Row, Status, one_line
from dig_bench.files.clock import utc_now
from dig_bench.measure import latency
from dig_bench.measure.energy import Energy, measure_energy
from dig_bench.measure.memory import is_out_of_memory, peak
from dig_bench.measure.nvml import Gpu, open_gpu
from dig_bench.measure.statistics import summarise
from dig_bench.plan import plugins as plugin_files
from dig_bench.protocol import Protocol
from dig_bench.run.capture import CaptureError, capture
from dig_bench.run.precision import tf32
from dig_bench.run.step import Step, first_line
from dig_bench.run.subject import Found, prepare
from dig_bench.run.task import Say, TaskError

Samples = dict[str, list[float]]
"""`latency_ms`, `host_ms` (CUDA) and one list per part of the step: `forward_ms`, `backward_ms`, ...; in order."""


def serve(say: Say, *, cell: Mapping[str, Any], protocol: Mapping[str, Any], plugins: Sequence[str]) -> dict[str, Any]:
    """Task of a worker: measures the cell and returns {"row": ..., "samples": ...}."""
    plugin_files.load(plugins)
    row, samples = run(Cell(**cell), Protocol(**protocol), say)
    return {"row": asdict(row), "samples": samples}


def run(cell: Cell, protocol: Protocol, say: Say) -> tuple[Row, Samples]:
    """Returns the cell's row and its timing samples. Raises nothing but KeyboardInterrupt and the like.

    The row of a failed cell keeps what was found up to the correctness check, and has no latency.
    """
    measurement = _Measurement(cell, protocol, say)
    status, detail = measurement.outcome()
    row = Row.of(cell, status, detail=one_line(detail), **measurement.found)
    return (replace(row, **measurement.values), measurement.samples) if row.measured else (row, {})


class _Measurement:
    """One cell being measured; fills `found` up to the correctness check, then `values` and `samples`."""

    def __init__(self, cell: Cell, protocol: Protocol, say: Say) -> None:
        self.cell = cell
        self.protocol = protocol
        self.say = say
        self.found: Found = {"started_at": utc_now()}
        self.values: Found = {}
        self.samples: Samples = {}

    def outcome(self) -> tuple[Status, str]:
        """Returns the status, and the reason when it is not `ok`."""
        try:
            with tf32(self.cell.precision == "tf32"):
                return self._measure()
        except TaskError as error:
            return error.status, str(error)
        except CaptureError as error:
            return "unsupported", f"no CUDA graph of it: {error}"
        except Exception as error:
            return ("oom" if is_out_of_memory(error) else "crashed"), first_line(error)

    def _measure(self) -> tuple[Status, str]:
        # The model is not kept: the step holds what it needs of it.
        step = prepare(self.cell, self.protocol, self.say, self.found).step
        runnable = self._runnable(step)
        if not runnable.outputs[0].isfinite().all():
            raise TaskError("mismatch", "the output is not finite")
        noise = self._time(runnable)
        energy = self._energy(runnable)
        # A CUDA graph holds its memory from its capture on: the memory pass captures another one.
        del runnable
        step.outputs.clear()
        self._memory(step)
        if energy is not None and energy.harmful:
            return "throttled", ", ".join([*energy.harmful, *([noise] if noise else [])])
        return ("noisy", noise) if noise else ("ok", "")

    def _runnable(self, step: Step) -> Step:
        """The step that is timed: itself, or captured and replayed once."""
        if not self._is_captured_whole:
            return step
        self.say("capture")
        captured = capture(step)
        captured()
        return captured

    @property
    def _is_captured_whole(self) -> bool:
        """False for a sampler, which chooses its next step on the host: only its network becomes a CUDA graph."""
        return self.cell.execution == "graph" and self.cell.mode != "sample"

    def _time(self, step: Step) -> str:
        """Warms up and samples the latency. Returns why the result is noisy; empty when it is not."""
        parts = list(step.parts.values())
        # On a GPU the timer holds a buffer of four times the L2 cache: gone before the next pass.
        timer = latency.timer_for(self.cell.device, flush_l2=self.protocol.flush_l2)
        self.say("warm-up")
        self.values["num_warmup"] = latency.warm_up(
            parts,
            timer,
            agreement=self.protocol.warmup_agreement,
            max_rounds=self.protocol.warmup_calls,
            max_seconds=self.protocol.warmup_seconds,
        )
        self.say("timing")
        times = latency.sample(
            parts,
            timer,
            min_samples=self.protocol.min_samples,
            max_samples=self.protocol.max_samples,
            min_seconds=self.protocol.min_seconds,
            max_seconds=self.protocol.max_seconds,
            target_half_width=self.protocol.target_half_width,
        )
        return self._summarise(step, times)

    def _summarise(self, step: Step, times: latency.Times) -> str:
        cell = self.cell
        self.samples["latency_ms"] = times.total_ms
        if times.host_ms:
            self.samples["host_ms"] = times.host_ms
        if cell.mode != "forward":
            self.samples |= {f"{name}_ms": part_ms for name, part_ms in zip(step.parts, times.calls_ms, strict=True)}
        self.values |= {f"{name}_median": summarise(values).median for name, values in self.samples.items()}
        summary = summarise(times.total_ms)
        self.values |= {
            "latency_ms_p05": summary.p05,
            "latency_ms_p95": summary.p95,
            "latency_ms_ci_low": summary.ci_low,
            "latency_ms_ci_high": summary.ci_high,
            "num_samples": summary.num_samples,
            "num_outliers": summary.num_outliers,
            "images_per_s": cell.batch_size / summary.median * 1e3,
            "tflops_per_s": self.found["gflops_per_image"] * cell.batch_size / summary.median,
        }
        if summary.half_width is None:
            return f"{summary.num_samples} samples are too few for a 95 % interval of the median"
        if summary.half_width > self.protocol.target_half_width:
            return f"the median is known to {summary.half_width:.1%} only"
        return ""

    def _energy(self, step: Step) -> Energy | None:
        """Measures energy and clocks; returns None on a CPU, without NVML, and if the protocol leaves it out."""
        gpu = self._gpu()
        if gpu is None or not self.protocol.energy_seconds:
            return None
        self.say("energy")
        call_ms = self.values["latency_ms_median"]
        energy = measure_energy(step, gpu, call_ms=call_ms, seconds=self.protocol.energy_seconds)
        joules = energy.joules_per_call
        self.values |= {
            "energy_j_per_image": None if joules is None else joules / self.cell.batch_size,
            "power_w_mean": energy.power_w_mean,
            "sm_clock_mhz": energy.sm_clock_mhz,
            "temperature_c": energy.temperature_c,
            "throttle_reasons": " ".join(energy.throttle_reasons),
        }
        return energy

    def _gpu(self) -> Gpu | None:
        return open_gpu() if self.cell.device == "cuda" else None

    def _memory(self, step: Step) -> None:
        if not self.protocol.memory:
            return
        self.say("memory")
        memory = peak(lambda: self._run_once(step), self.cell.device)
        self.values |= {
            "peak_allocated_mib": memory.allocated_mib,
            "peak_reserved_mib": memory.reserved_mib,
            "device_used_mib": memory.device_used_mib,
        }

    def _run_once(self, step: Step) -> Step:
        runnable = capture(step) if self._is_captured_whole else step
        runnable()
        return runnable
