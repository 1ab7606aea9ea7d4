"""Cell (what to measure) and Row (what was found): the schema of everything.

Row's fields are the columns of rows.csv; there is no second list.
"""

from __future__ import annotations

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


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One thing to measure. Frozen and hashable: with the environment it is the key by which a sweep resumes."""

    model: str
    backend: str
    resolution_px: int
    batch_size: int = 1
    mode: Mode = "forward"
    precision: Precision = "fp32"
    execution: Execution = "eager"
    device: str = "cpu"
    """Device type, `cpu` or `cuda`; Row.device_name says which one it was."""
    process: int = 1
    """Repetition in a process of its own: the spread between processes is the real noise of a comparison."""

    @property
    def series(self) -> Cell:
        """The cell without its resolution: cells of one series lie on one curve."""
        return Cell(**{**self.as_dict(), "resolution_px": 0})

    @property
    def worker(self) -> tuple[str, str, int]:
        """Cells that share a worker process: one model, one backend, one process."""
        return (self.model, self.backend, self.process)

    @property
    def name(self) -> str:
        """`DiG-S/2@fla`, as it is written on the command line and in legends."""
        return f"{self.model}@{self.backend}"

    @property
    def network_mode(self) -> Mode:
        """What the network has to be able to do."""
        return "train" if self.mode == "train" else "forward"

    def __str__(self) -> str:
        process = f" process {self.process}" if self.process > 1 else ""
        return (
            f"{self.name} {self.resolution_px}px b{self.batch_size} "
            f"{self.mode} {self.precision} {self.execution} {self.device}{process}"
        )

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in CELL_COLUMNS}


CELL_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Cell))


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
