"""Cell (what to measure) and Row (what was found): the schema of everything.

Row's fields are the columns of rows.csv; there is no second list.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

Mode = Literal["forward", "train", "sample"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Execution = Literal["eager", "graph", "compile"]
Status = Literal["ok", "noisy", "throttled", "oom", "timeout", "crashed", "mismatch", "unsupported"]

MODES: tuple[str, ...] = get_args(Mode)
PRECISIONS: tuple[str, ...] = get_args(Precision)
EXECUTIONS: tuple[str, ...] = get_args(Execution)
STATUSES: tuple[str, ...] = get_args(Status)

MEASURED: frozenset[str] = frozenset({"ok", "noisy", "throttled"})
"""Statuses whose rows carry a latency. `noisy` and `throttled` rows carry one that deserves suspicion."""

WRONG: frozenset[str] = frozenset({"crashed", "timeout", "mismatch"})
"""Statuses that say that something is wrong, rather than that too much was asked of the machine."""


EXECUTION_LABELS: dict[str, str] = {"eager": "eager", "graph": "CUDA graph", "compile": "torch.compile"}


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a group of cells has in common: a cell with the fields blank in which the group's cells differ.

    `cell.without("process")` stands for all processes of a cell, `cell.without("resolution_px", "process")` for a curve,
    `cell.without("model", "backend", "resolution_px", "process")` for the conditions that a figure's curves share. A
    blank text is empty, a blank number is 0.
    """

    model: str = ""
    backend: str = ""
    resolution_px: int = 0
    batch_size: int = 0
    mode: str = ""
    precision: str = ""
    execution: str = ""
    device: str = ""
    """Device type, `cpu` or `cuda`; Row.device_name says which one it was."""
    process: int = 0
    """Number of the fresh process that measures the cell, from 1: the unit of evidence."""

    @property
    def name(self) -> str:
        """`DiG-S/2@fla`, as on the command line and in legends."""
        return f"{self.model}@{self.backend}" if self.backend else self.model

    def without(self, *names: str) -> Key:
        """The key with these fields blank. ValueError for an unknown field."""
        if unknown := set(names) - set(CELL_COLUMNS):
            raise ValueError(f"a cell has no {min(unknown)}")
        return Key(**{name: getattr(self, name) for name in CELL_COLUMNS if name not in names})

    def only(self, *names: str) -> Key:
        """The key with all other fields blank. ValueError for an unknown field."""
        return self.without(*(set(CELL_COLUMNS) - set(names)))

    def as_cell(self, **found: Any) -> Cell:
        """The cell with the blank fields filled in: `key.as_cell(process=1)`."""
        return Cell(**{name: found.get(name, getattr(self, name)) for name in CELL_COLUMNS})

    def label(self, *, device_name: str = "") -> str:
        """`DiG-XL/2@fused · 2048 px · train · bf16 · CUDA graph · batch 1 · H200`, without what is blank.

        `device_name` as in Row; without it the device type stands there. A first process is not named.
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
        """The cell's fields; a Row's further columns are not among them."""
        return {name: getattr(self, name) for name in CELL_COLUMNS}


def short_device_name(name: str) -> str:
    """`NVIDIA H100 80GB HBM3` -> `H100`; a processor's name loses its trademarks and clock."""
    name = re.sub(r"\((R|TM)\)|@.*|\b(CPU|Processor|\d+-Core)\b", " ", name)
    gpu = re.fullmatch(r"NVIDIA (\S+).*", name.strip())
    return gpu[1] if gpu else " ".join(name.split())


@dataclass(frozen=True, kw_only=True)
class Cell(Key):
    """One measurement to take: a Key without blanks. With the environment it is the key by which a sweep resumes."""

    model: str
    backend: str
    resolution_px: int
    batch_size: int = 1
    mode: Mode = "forward"
    precision: Precision = "fp32"
    execution: Execution = "eager"
    device: str = "cpu"
    process: int = 1

    @property
    def worker(self) -> tuple[str, str, int]:
        """Cells with the same model, backend and process number share a worker process."""
        return (self.model, self.backend, self.process)

    @property
    def network_mode(self) -> Mode:
        """The mode that the network has to support: sampling runs forward passes only."""
        return "train" if self.mode == "train" else "forward"


CELL_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Key))


MAX_TEXT = 2000
"""Characters of a row's text: a table has to stay one that CSV readers take."""


def one_line(text: str) -> str:
    """Any text, of an exception or of somebody's library, as a row may hold it: printable, in one line, not endless."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    line = " ".join(words)
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


@dataclass(frozen=True, kw_only=True)
class Row(Cell):
    """A cell and what was found. None means: not measured, or not measurable on this device."""

    status: Status
    detail: str = ""
    """Why the status is not `ok`, in one line."""
    num_tokens: int | None = None
    device_name: str = ""
    kernels: str = ""
    """What exactly ran: `operation=package version function`, joined by `; `."""
    parameters: int | None = None
    gflops_per_image: float | None = None
    """10^9 floating-point operations, two for a multiply-accumulate; a training step counts three forward passes, a
    sampled image as many as its sampler takes. The VAE's are not among them."""
    relative_error: float | None = None
    """The gate's figure: norm of the difference to the reference over the norm of the reference."""
    first_call_s: float | None = None
    latency_ms_median: float | None = None
    latency_ms_p05: float | None = None
    latency_ms_p95: float | None = None
    latency_ms_ci_low: float | None = None
    latency_ms_ci_high: float | None = None
    host_ms_median: float | None = None
    forward_ms_median: float | None = None
    backward_ms_median: float | None = None
    optimizer_ms_median: float | None = None
    denoise_ms_median: float | None = None
    """All steps of a sampler together; a row of mode `sample` is about whole images."""
    decode_ms_median: float | None = None
    """The VAE's share of a whole image."""
    images_per_s: float | None = None
    tflops_per_s: float | None = None
    weights_mib: float | None = None
    peak_allocated_mib: float | None = None
    peak_reserved_mib: float | None = None
    device_used_mib: float | None = None
    energy_j_per_image: float | None = None
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
        return asdict(self)

    @staticmethod
    def of(cell: Cell, status: Status, **found: Any) -> Row:
        return Row(**cell.as_dict(), status=status, **found)


ROW_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Row))

LATER_COLUMNS: frozenset[str] = frozenset({"denoise_ms_median", "decode_ms_median"})
"""Tables of earlier versions lack them."""
