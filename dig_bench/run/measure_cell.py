"""Measures one cell in this process: Cell -> Row. Every failure becomes a status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from dig_bench.cell import Cell, Row, Status, one_line
from dig_bench.files.clock import utc_now
from dig_bench.measure.memory import is_out_of_memory, peak
from dig_bench.measure.monitor import Monitor
from dig_bench.plan import plugins as plugin_files
from dig_bench.protocol import Protocol
from dig_bench.run.capture import CaptureError, capture
from dig_bench.run.passes import Passes, Samples
from dig_bench.run.precision import tf32
from dig_bench.run.step import Step, first_line
from dig_bench.run.subject import Found, prepare
from dig_bench.run.task import Say, TaskError


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
            with tf32(self.cell.precision == "tf32"), gpu_monitor(self.cell.device) as monitor:
                return self._measure(monitor)
        except TaskError as error:
            return error.status, str(error)
        except CaptureError as error:
            return "unsupported", f"no CUDA graph of it: {error}"
        except Exception as error:
            return ("oom" if is_out_of_memory(error) else "crashed"), first_line(error)

    def _measure(self, monitor: Monitor | None) -> tuple[Status, str]:
        # The model is not kept: the step holds what it needs of it.
        step = prepare(self.cell, self.protocol, self.say, self.found).step
        runnable = self._runnable(step)
        if not runnable.outputs[0].isfinite().all():
            raise TaskError("mismatch", "the output is not finite")
        harmful, doubts = self._run_passes(runnable, monitor)
        # A CUDA graph holds its memory from its capture on: the memory pass captures another one.
        del runnable
        step.outputs.clear()
        self._memory(step)
        if harmful:
            return "throttled", ", ".join([*harmful, *doubts])
        return ("noisy", "; ".join(doubts)) if doubts else ("ok", "")

    def _run_passes(self, step: Step, monitor: Monitor | None) -> tuple[list[str], list[str]]:
        """Returns harmful throttle reasons, and reasons to doubt the values."""
        # On a GPU the passes hold a buffer of four times the L2 cache: gone before the memory pass.
        passes = Passes(self.cell, self.protocol, self.say, monitor)
        passes.time(step)
        passes.measure_energy(step)
        passes.look_again(step)
        self.samples = passes.samples
        images_per_s = passes.values["images_per_s"]
        self.values |= passes.values | {"tflops_per_s": self.found["gflops_per_image"] * images_per_s / 1e3}
        return sorted(passes.harmful), passes.doubts

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
        return self.cell.is_graph and self.cell.mode != "sample"

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


@contextmanager
def gpu_monitor(device: str) -> Iterator[Monitor | None]:
    """Gives a monitor of the GPU; None on a CPU. Ends it after the block."""
    if device != "cuda":
        yield None
        return
    monitor = Monitor()
    try:
        yield monitor
    finally:
        monitor.close()
