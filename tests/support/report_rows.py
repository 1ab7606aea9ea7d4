"""Rows for tests of pages and figures: invented values on a device that says so."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from dig_bench.cell import ROW_COLUMNS, Cell, Row
from dig_bench.results.table import format_line, to_frame

DEVICE_NAME = "test data, no device"
RESOLUTIONS_PX = tuple(range(256, 2049, 256))
MODELS = ("DiG-S/2@fla", "DiT-S/2@math", "DiT-S/2@flash2", "DiT-S/2@cudnn", "DiS-S/2@mamba-ssm", "U-DiG-S/2@fla")

# Per backend: ms per 1,000 tokens, ms per (1,000 tokens) squared, GB per the same.
_COSTS = {
    "fla": (1.0, 0.0, 0.12, 0.0),
    "math": (0.7, 0.35, 0.1, 0.28),
    "flash2": (0.7, 0.09, 0.1, 0.0),
    "cudnn": (0.7, 0.07, 0.1, 0.0),
    "mamba-ssm": (2.1, 0.0, 0.2, 0.0),
}
_WIDTHS = {"S": 1.0, "B": 3.5, "L": 12.0, "XL": 18.0}
_LAUNCHES_MS = 9.0
_MEMORY_GB = 70.0


def row(name: str, resolution_px: int, *, status: str | None = None, **fields: Any) -> Row:
    """Returns a row whose time and memory grow with the tokens T and with T squared; out of memory above a limit."""
    model, _, backend = name.partition("@")
    cell = {"precision": "bf16", "execution": "graph", "device": "cuda", **fields}
    of_cell = {key: cell.pop(key) for key in list(cell) if key in Cell.__dataclass_fields__}
    key = Cell(model=model, backend=backend, resolution_px=resolution_px, **of_cell)
    thousands = (resolution_px / 16) ** 2 / 1e3
    linear_ms, square_ms, linear_gb, square_gb = _COSTS.get(backend, (1.5, 0.2, 0.15, 0.01))
    size = _WIDTHS.get(model.rsplit("-", 1)[-1].split("/")[0], 1.0)
    passes = (3 if key.mode == "train" else 1) * key.batch_size
    latency_ms = passes * size * (linear_ms * thousands + square_ms * thousands**2) + 0.5
    if key.execution == "eager":
        latency_ms = max(latency_ms, _LAUNCHES_MS) + 0.2
    gb = passes * size**0.5 * (linear_gb * thousands + square_gb * thousands**2) + 0.3 * size**0.5
    if status is None:
        status = "oom" if gb > _MEMORY_GB else "ok"
    if status not in ("ok", "noisy", "throttled"):
        reason = {"oom": "CUDA out of memory. Tried to allocate 20.25 GiB"}.get(status, f"made up: {status}")
        return Row.of(key, status, **{"detail": reason, "device_name": DEVICE_NAME, **cell})
    found: dict[str, Any] = {
        "detail": "" if status == "ok" else f"made up: {status}",
        "num_tokens": (resolution_px // 16) ** 2,
        "device_name": DEVICE_NAME,
        "kernels": "made up",
        "parameters": int(33e6 * size),
        "gflops_per_image": 17.0 * size * thousands,
        "relative_error": 1e-3,
        "first_call_s": 12.5,
        "latency_ms_median": latency_ms,
        "latency_ms_p05": 0.97 * latency_ms,
        "latency_ms_p95": 1.08 * latency_ms,
        "latency_ms_ci_low": 0.995 * latency_ms,
        "latency_ms_ci_high": 1.01 * latency_ms,
        "state": "sustained",
        "host_ms_median": 8.0,
        "images_per_s": 1e3 * key.batch_size / latency_ms,
        "tflops_per_s": 17.0 * size * thousands * passes / latency_ms,
        "weights_mib": 63.0 * size,
        "peak_allocated_mib": gb * 1e9 / 2**20,
        "peak_reserved_mib": 1.1 * gb * 1e9 / 2**20,
        "energy_j_per_image": 0.45 * latency_ms,
        "power_w_mean": 450.0,
        "num_samples": 400,
        "num_warmup": 20,
        "started_at": "2026-01-02T03:04:05Z",
    }
    if key.mode == "train":
        parts = {"forward": 0.3, "backward": 0.6, "optimizer": 0.1}
        found |= {f"{part}_ms_median": share * latency_ms for part, share in parts.items()}
    return Row.of(key, status, **found | cell)


def sweep(
    models: Iterable[str] = MODELS, resolutions_px: Iterable[int] = RESOLUTIONS_PX, **axes: Iterable[Any]
) -> list[Row]:
    """Returns rows of all combinations of the axes `modes`, `executions`, `precisions`."""
    return [
        row(name, px, mode=mode, execution=execution, precision=precision)
        for mode in axes.get("modes", ("train",))
        for precision in axes.get("precisions", ("bf16",))
        for execution in axes.get("executions", ("graph",))
        for name in models
        for px in resolutions_px
    ]


def processes(rows: Iterable[Row], spread: float = 0.001, count: int = 3) -> list[Row]:
    """Returns the rows as `count` processes measured them: their latencies differ by up to `spread` either way."""
    return [
        replace(each, process=number + 1, latency_ms_median=each.latency_ms_median * (1 + spread * place))
        if each.latency_ms_median
        else replace(each, process=number + 1)
        for each in rows
        for number, place in enumerate(2 * number / (count - 1) - 1 for number in range(count))
    ]


def frame(rows: Iterable[Row]) -> pd.DataFrame:
    return to_frame(rows)


MANIFEST: dict[str, Any] = {
    "environment": {"git_revision": "0" * 40, "git_dirty": False},
    "started_at": "2026-01-02T03:04:05Z",
    "finished_at": "2026-01-02T03:44:05Z",
}
"""Manifest of clean code, for functions that take one."""


def write_results(folder: Path, rows: Iterable[Row], **environment: Any) -> Path:
    """Writes a folder of results as a sweep leaves it, without timing samples."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [format_line(ROW_COLUMNS), *(format_line(row.as_dict().values()) for row in rows)]
    (folder / "rows.csv").write_text("".join(lines), encoding="utf-8")
    manifest = {
        "format": 1,
        "spec": {"sweep": "test data", "models": list(MODELS), "protocol.min_samples": 10},
        "environment": {
            "gpu_name": DEVICE_NAME,
            "device": "cuda",
            "torch": "0.0",
            "git_revision": "0" * 40,
            "git_dirty": False,
            **environment,
        },
        "started_at": "2026-01-02T03:04:05Z",
        "finished_at": "2026-01-02T03:44:05Z",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder
