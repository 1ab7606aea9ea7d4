"""Runs one cell: build, first call, gate, warm up, measure -> Row. Whatever goes wrong becomes a status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dig_bench.cell import Cell, Row, Status, one_line
from dig_bench.files.clock import utc_now
from dig_bench.machine.environment import cpu_name
from dig_bench.measure import latency
from dig_bench.measure.energy import Energy, measure_energy
from dig_bench.measure.memory import is_out_of_memory, peak, tensors_mib
from dig_bench.measure.nvml import Gpu, open_gpu
from dig_bench.measure.statistics import summarise
from dig_bench.plan.availability import obstacle
from dig_bench.protocol import Protocol
from dig_bench.run.correctness import SEED, check, move
from dig_bench.run.precision import tf32
from dig_bench.run.sampling_step import sampling_step
from dig_bench.run.step import CaptureError, Inputs, Step, capture, first_line, forward_step, training_step
from dig_models import Backbone, build, graphed

Samples = dict[str, list[float]]
"""`latency_ms`, `host_ms` (CUDA), and of a training step `forward_ms`, `backward_ms`, `optimizer_ms`; in order."""


class MismatchError(Exception):
    """The backend disagrees with the reference, or its output is not finite."""


def run(cell: Cell, protocol: Protocol, report_phase: Callable[[str], None]) -> tuple[Row, Samples]:
    """Measures a cell in this process. Raises nothing but KeyboardInterrupt and the like.

    `report_phase` is told what is being done. A row that is not measured keeps what was found up to the gate.
    """
    measurement = _Measurement(cell, protocol, report_phase)
    status, detail = measurement.outcome()
    row = Row.of(cell, status, detail=one_line(detail), **measurement.found)
    # A cell that failed in a later pass, of memory say, has no latency either.
    return (replace(row, **measurement.figures), measurement.samples) if row.measured else (row, {})


class _Measurement:
    """One cell on its way to a row. Fills as it goes: `found` up to the gate, then `figures` and `samples`."""

    def __init__(self, cell: Cell, protocol: Protocol, report_phase: Callable[[str], None]) -> None:
        self.cell = cell
        self.protocol = protocol
        self.report_phase = report_phase
        self.found: dict[str, Any] = {"started_at": utc_now()}
        self.figures: dict[str, Any] = {}
        self.samples: Samples = {}

    def outcome(self) -> tuple[Status, str]:
        """Status, and the reason when it is not `ok`."""
        try:
            if reason := self._obstacle():
                return "unsupported", reason
            with tf32(self.cell.precision == "tf32"):
                return self._measure()
        except CaptureError as error:
            return "unsupported", f"no CUDA graph of it: {error}"
        except MismatchError as error:
            return "mismatch", str(error)
        except Exception as error:
            return ("oom" if is_out_of_memory(error) else "crashed"), first_line(error)

    def _obstacle(self) -> str | None:
        """Why the cell cannot run here at all."""
        if self.cell.device == "cuda" and not torch.cuda.is_available():
            return f"torch {torch.__version__} finds no CUDA GPU"
        return obstacle(self.cell)

    def _measure(self) -> tuple[Status, str]:
        cell, protocol = self.cell, self.protocol
        self.found["device_name"] = torch.cuda.get_device_name() if cell.device == "cuda" else cpu_name()
        self.report_phase("building")
        model = self._build()
        step = self._step(model)
        self.report_phase("first call")
        self.found["first_call_s"] = latency.first_call_s(step, cell.device)
        self.report_phase("gate")
        self._gate()
        runnable = step
        if self._is_captured_whole:
            self.report_phase("capture")
            runnable = capture(step)
            runnable()
        if not runnable.outputs[0].isfinite().all():
            raise MismatchError("the output is not finite")
        noise = self._time(runnable)
        energy = self._energy(runnable)
        if protocol.memory:
            self.report_phase("memory")
            # A graph takes its memory when it is captured, so the pass captures it anew.
            del runnable
            step.outputs.clear()
            self._memory(step)
        if energy is not None and energy.harmful:
            return "throttled", ", ".join([*energy.harmful, *([noise] if noise else [])])
        return ("noisy", noise) if noise else ("ok", "")

    @property
    def _is_captured_whole(self) -> bool:
        """A sampler chooses its next step on the host: of it, the network alone becomes a graph."""
        return self.cell.execution == "graph" and self.cell.mode != "sample"

    def _build(self) -> Backbone:
        cell = self.cell
        torch.manual_seed(SEED)
        model = build(
            cell.model,
            image_size=cell.resolution_px,
            backend=cell.backend,
            precision=cell.precision,
            device=cell.device,
        )
        move(model, self.protocol.check_noise)
        flops = self.protocol.forward_passes(cell.mode) * model.flops(cell.batch_size).total
        self.found |= {
            "num_tokens": model.num_tokens,
            "kernels": one_line(model.kernels()),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "gflops_per_image": flops / cell.batch_size / 1e9,
            "weights_mib": tensors_mib([*model.parameters(), *model.buffers()]),
        }
        return model

    def _step(self, model: Backbone) -> Step:
        call: Callable[..., Tensor] = model
        if self.cell.execution == "compile":
            # What it compiled for earlier cells would make it generalise over shapes, and in the end give up.
            torch.compiler.reset()
            call = torch.compile(model)
        elif self.cell.mode == "sample" and self.cell.execution == "graph":
            call = graphed(model)
        if self.cell.mode == "sample":
            return sampling_step(model, call, self.cell.batch_size, self.protocol)
        inputs = Inputs.random(model, self.cell.batch_size)
        return training_step(model, call, inputs) if self.cell.mode == "train" else forward_step(call, inputs)

    def _gate(self) -> None:
        self.found["relative_error"], mismatch = check(self.cell, self.protocol)
        if mismatch:
            raise MismatchError(mismatch)

    def _time(self, step: Step) -> str:
        """Latency and its parts. Returns why they are noisy, or nothing."""
        cell, protocol = self.cell, self.protocol
        timer = latency.timer_for(cell.device, flush_l2=protocol.flush_l2)
        parts = list(step.parts.values())
        self.report_phase("warm-up")
        self.figures["num_warmup"] = latency.warm_up(
            parts,
            timer,
            agreement=protocol.warmup_agreement,
            max_rounds=protocol.warmup_calls,
            max_seconds=protocol.warmup_seconds,
        )
        self.report_phase("timing")
        times = latency.sample(
            parts,
            timer,
            min_samples=protocol.min_samples,
            max_samples=protocol.max_samples,
            min_seconds=protocol.min_seconds,
            max_seconds=protocol.max_seconds,
            target_half_width=protocol.target_half_width,
        )
        self.samples["latency_ms"] = times.total_ms
        if times.host_ms:
            self.samples["host_ms"] = times.host_ms
        if cell.mode != "forward":
            self.samples |= {f"{name}_ms": part_ms for name, part_ms in zip(step.parts, times.calls_ms, strict=True)}
        self.figures |= {f"{name}_median": summarise(values).median for name, values in self.samples.items()}
        summary = summarise(times.total_ms)
        self.figures |= {
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
        if summary.half_width > protocol.target_half_width:
            return f"median is known to {summary.half_width:.1%} only"
        return ""

    def _energy(self, step: Step) -> Energy | None:
        """None on a CPU, without NVML, and when the protocol leaves it out."""
        cell, protocol = self.cell, self.protocol
        gpu = self._gpu()
        if gpu is None or not protocol.energy_seconds:
            return None
        self.report_phase("energy")
        call_ms = self.figures["latency_ms_median"]
        energy = measure_energy(step, gpu, call_ms=call_ms, seconds=protocol.energy_seconds)
        joules = energy.joules_per_call
        self.figures |= {
            "energy_j_per_image": None if joules is None else joules / cell.batch_size,
            "power_w_mean": energy.power_w_mean,
            "sm_clock_mhz": energy.sm_clock_mhz,
            "temperature_c": energy.temperature_c,
            "throttle_reasons": " ".join(energy.throttle_reasons),
        }
        return energy

    def _gpu(self) -> Gpu | None:
        return open_gpu() if self.cell.device == "cuda" else None

    def _memory(self, step: Step) -> None:
        memory = peak(lambda: self._run_once(step), self.cell.device)
        self.figures |= {
            "peak_allocated_mib": memory.allocated_mib,
            "peak_reserved_mib": memory.reserved_mib,
            "device_used_mib": memory.device_used_mib,
        }

    def _run_once(self, step: Step) -> Step:
        runnable = capture(step) if self._is_captured_whole else step
        runnable()
        return runnable
