"""Cell (what to measure), Key (a group of cells) and Row (a cell and its results): the schema of all results.

Row's fields are the columns of rows.csv; there is no second list.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

Mode = Literal["forward", "train", "sample"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Execution = Literal["eager", "graph", "compile", "compile-graph"]
Status = Literal["ok", "noisy", "throttled", "oom", "timeout", "crashed", "mismatch", "unsupported"]

MODES: tuple[str, ...] = get_args(Mode)
PRECISIONS: tuple[str, ...] = get_args(Precision)
EXECUTIONS: tuple[str, ...] = get_args(Execution)
STATUSES: tuple[str, ...] = get_args(Status)

MEASURED: frozenset[str] = frozenset({"ok", "noisy", "throttled"})
"""Statuses of rows with a latency. Treat that of `noisy` and `throttled` rows with suspicion."""

WRONG: frozenset[str] = frozenset({"crashed", "timeout", "mismatch"})
"""Statuses of an error, unlike those of a cell that is too large for the machine."""


EXECUTION_LABELS: dict[str, str] = {
    "eager": "eager",
    "graph": "CUDA graph",
    "compile": "torch.compile",
    "compile-graph": "torch.compile in a CUDA graph",
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """Common fields of a group of cells: a cell with blanks where the group's cells differ.

    `cell.without("process")` stands for all processes of a cell, `cell.without("resolution_px", "process")` for a
    curve, `cell.without("model", "backend", "resolution_px", "process")` for the conditions of a figure.
    Blank text is empty, a blank number is 0.
    """

    model: str = ""
    backend: str = ""
    resolution_px: int = 0
    batch_size: int = 0
    mode: str = ""
    precision: str = ""
    execution: str = ""
    device: str = ""
    """Device type, `cpu` or `cuda`; Row.device_name names the device."""
    process: int = 0
    """Number of the fresh process that measures the cell, from 1: the unit of evidence."""

    @property
    def name(self) -> str:
        """Name on the command line and in legends: `DiG-S/2@fla`."""
        return f"{self.model}@{self.backend}" if self.backend else self.model

    @property
    def is_compiled(self) -> bool:
        """True if torch.compile compiles the network."""
        return self.execution.startswith("compile")

    @property
    def is_graph(self) -> bool:
        """True if a CUDA graph replays the step, or a sampler's network."""
        return self.execution.endswith("graph")

    def without(self, *names: str) -> Key:
        """Returns the key with these fields blank. Raises ValueError for an unknown field."""
        if unknown := set(names) - set(CELL_COLUMNS):
            raise ValueError(f"a cell has no {min(unknown)}")
        return Key(**{name: getattr(self, name) for name in CELL_COLUMNS if name not in names})

    def only(self, *names: str) -> Key:
        """Returns the key with all other fields blank. Raises ValueError for an unknown field."""
        return self.without(*(set(CELL_COLUMNS) - set(names)))

    def as_cell(self, **found: Any) -> Cell:
        """Returns the cell with the blanks filled in: `key.as_cell(process=1)`."""
        return Cell(**{name: found.get(name, getattr(self, name)) for name in CELL_COLUMNS})

    def label(self, *, device_name: str = "") -> str:
        """Returns `DiG-XL/2@fused · 2048 px · train · bf16 · CUDA graph · batch 1 · H200`, without blanks.

        Ends in the short form of `device_name`, or in the device type. Leaves out process 1.
        """
        words = (
            self.name,
            f"{self.resolution_px} px" if self.resolution_px else "",
            self.mode,
            self.precision,
            EXECUTION_LABELS.get(self.execution, self.execution),
            f"batch {self.batch_size}" if self.batch_size else "",
            short_device_name(device_name) or self.device,
            f"process {self.process}" if self.process > 1 else "",
        )
        return " · ".join(filter(None, words))

    def __str__(self) -> str:
        return self.label()

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields of a cell, without the further columns of a Row."""
        return {name: getattr(self, name) for name in CELL_COLUMNS}


def short_device_name(name: str) -> str:
    """Shortens `NVIDIA H100 80GB HBM3` to `H100`; drops trademarks and clock from a processor's name."""
    name = re.sub(r"\((R|TM)\)|@.*|\b(CPU|Processor|\d+-Core)\b", " ", name)
    gpu = re.fullmatch(r"NVIDIA (\S+).*", name.strip())
    return gpu[1] if gpu else " ".join(name.split())


@dataclass(frozen=True, kw_only=True)
class Cell(Key):
    """One measurement to take: a Key without blanks. A sweep resumes by cell and environment."""

    # Without field() the blanks of Key would be defaults.
    model: str = field()
    backend: str = field()
    resolution_px: int = field()
    batch_size: int = 1
    mode: Mode = "forward"
    precision: Precision = "fp32"
    execution: Execution = "eager"
    device: str = "cpu"
    process: int = 1

    @property
    def worker(self) -> tuple[str, str, int]:
        """Key of the worker process: cells with the same model, backend and process number share one."""
        return (self.model, self.backend, self.process)

    @property
    def network_mode(self) -> Mode:
        """Mode that the network has to support: sampling runs forward passes only."""
        return "train" if self.mode == "train" else "forward"


CELL_COLUMNS: tuple[str, ...] = tuple(each.name for each in fields(Key))


MAX_TEXT = 2000
"""Most characters of a row's text, so that all CSV readers accept the table."""


def one_line(text: str) -> str:
    """Makes a text, of an exception for example, fit for a row: printable, in one line, at most MAX_TEXT characters."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    line = " ".join(words)
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


def _later(default: Any) -> Any:
    """Declares a column that tables of earlier versions lack."""
    return field(default=default, metadata={"later": True})


@dataclass(frozen=True, kw_only=True)
class Row(Cell):
    """A cell and its results. None means: not measured, or not measurable on this device."""

    status: Status
    detail: str = ""
    """Reason for a status other than `ok`, in one line."""
    num_tokens: int | None = None
    device_name: str = ""
    kernels: str = ""
    """Kernels that ran: `operation=package version function`, joined by `; `."""
    parameters: int | None = None
    gflops_per_image: float | None = None
    """10^9 floating-point operations, two per multiply-accumulate, without the VAE.

    A training step counts three forward passes, a generated image as many as its sampler needs.
    """
    relative_error: float | None = None
    """Result of the correctness check: norm of the difference to the reference over the norm of the reference."""
    checked: str = _later("")
    """Comparisons that the correctness check made, and at which sizes."""
    first_call_s: float | None = None
    latency_ms_median: float | None = None
    latency_ms_p05: float | None = None
    latency_ms_p95: float | None = None
    latency_ms_ci_low: float | None = None
    latency_ms_ci_high: float | None = None
    state: str = _later("")
    """`sustained` (under load) or `burst` (rested before each sample); empty in tables of earlier versions."""
    latency_trend_per_s: float | None = _later(None)
    """Relative drift per second that was left when sampling began; None if the warm-up was too short to tell."""
    second_look_ms_median: float | None = _later(None)
    """Median of a second timing pass, seconds later; only of CPU-bound latencies."""
    host_slowdown: float | None = _later(None)
    """Time of a kernel launch during the timing pass, relative to the fastest in the same process."""
    host_ms_median: float | None = None
    forward_ms_median: float | None = None
    backward_ms_median: float | None = None
    optimizer_ms_median: float | None = None
    denoise_ms_median: float | None = _later(None)
    """Time of all sampler steps together; a row of mode `sample` is about whole images."""
    decode_ms_median: float | None = _later(None)
    """Time of the VAE for a whole image."""
    images_per_s: float | None = None
    tflops_per_s: float | None = None
    weights_mib: float | None = None
    peak_allocated_mib: float | None = None
    peak_reserved_mib: float | None = None
    device_used_mib: float | None = None
    device_duty: float | None = _later(None)
    """Share of the timing pass in which the device does not wait for the host between samples."""
    timing_power_w: float | None = _later(None)
    timing_sm_clock_mhz: float | None = _later(None)
    timing_throttle_reasons: str = _later("")
    """Throttle reasons of the timing pass. `throttle_reasons` and the columns below come from the energy pass."""
    energy_j_per_image: float | None = None
    energy_consistency: float | None = _later(None)
    """Energy over power times latency: 1 if the calls of the energy pass took as long as those of the timing pass."""
    power_w_mean: float | None = None
    sm_clock_mhz: float | None = None
    temperature_c: float | None = None
    throttle_reasons: str = ""
    num_samples: int = 0
    num_outliers: int = 0
    num_warmup: int = 0
    started_at: str = ""
    """UTC, ISO 8601, to the second."""

    @property
    def cell(self) -> Cell:
        return Cell(**{name: getattr(self, name) for name in CELL_COLUMNS})

    @property
    def measured(self) -> bool:
        return self.status in MEASURED

    def as_dict(self) -> dict[str, Any]:
        """Returns all columns."""
        return asdict(self)

    @staticmethod
    def of(cell: Cell, status: Status, **found: Any) -> Row:
        """Makes the row of a cell; `found` are further columns."""
        return Row(**cell.as_dict(), status=status, **found)


ROW_COLUMNS: tuple[str, ...] = tuple(each.name for each in fields(Row))

LATER_COLUMNS: frozenset[str] = frozenset(each.name for each in fields(Row) if each.metadata.get("later"))
"""Columns that tables of earlier versions lack."""
