"""A folder of profiles: a JSON file per cell, and CSV tables of all cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dig_bench.cell import Cell, Status, one_line
from dig_bench.files import json_codec
from dig_bench.files.atomic import write_whole
from dig_bench.profile import roofline
from dig_bench.profile.record import Profile, read

FILES = "*px_b*.json"
"""Pattern of the names that `path_of` makes."""

SAME = ("git_revision", "gpu_name", "cpu", "driver", "torch")
"""Fields of the environment in which profiles have to agree to be of one machine and revision."""


def is_one(folder: Path) -> bool:
    """Returns True when the folder holds profiles or failures."""
    return next(folder.glob(FILES), None) is not None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A cell that could not be profiled, and the reason."""

    cell: Cell
    status: Status
    detail: str


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Profiles and failures of a folder, in the order of their cells."""

    profiles: Sequence[Profile]
    failures: Sequence[Failure]


def path_of(folder: Path, cell: Cell, suffix: str = ".json") -> Path:
    """Returns `DiG-XL-2_fla_2048px_b1_forward_bf16.json`, and for a CPU `..._fp32_cpu.json`."""
    name = f"{cell.model}_{cell.backend}_{cell.resolution_px}px_b{cell.batch_size}_{cell.mode}_{cell.precision}"
    name += "" if cell.device == "cuda" else f"_{cell.device}"
    return folder / (re.sub(r"[^\w.-]", "-", name) + suffix)


def write(folder: Path, found: Profile | Failure) -> Path:
    """Writes the cell's file, in one line: profiles are read by programs."""
    path = path_of(folder, found.cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json_codec.dumps(found, indent=None).encode())
    return path


def find(folder: Path, cell: Cell) -> Profile | None:
    """Returns the cell's profile; None when there is none, a failure, or a file that cannot be read."""
    try:
        found = read(json_codec.parse(path_of(folder, cell).read_bytes()))
    except (OSError, ValueError):
        return None
    return found if found.cell == cell else None


def is_of(profile: Profile, environment: Mapping[str, Any]) -> bool:
    """Returns True for a profile of this machine and of this revision of the code, unchanged."""
    return not environment.get("git_dirty") and all(
        profile.environment.get(name) == environment.get(name) for name in SAME
    )


def read_all(folder: Path, *, say: Callable[[str], None]) -> Contents:
    """Reads all files; reports broken ones through `say` and skips them."""
    profiles: list[Profile] = []
    failures = []
    for path in sorted(folder.glob(FILES)):
        try:
            value = json_codec.parse(path.read_bytes())
            if isinstance(value, dict) and "detail" in value:
                failures.append(json_codec.build(Failure, value))
            else:
                profiles.append(read(value))
        except (OSError, ValueError) as error:
            say(f"{path} is left out: {one_line(str(error))}")
    return Contents(profiles=sorted(profiles, key=lambda each: _order(each.cell)), failures=failures)


def _order(cell: Cell) -> tuple[Any, ...]:
    return cell.model, cell.backend, cell.mode, cell.precision, cell.batch_size, cell.resolution_px


def write_tables(folder: Path, found: Contents) -> list[Path]:
    """Writes cells.csv, components.csv and kernels.csv; returns their paths."""
    tables = {
        "cells": [*map(_cell_row, found.profiles), *map(_failure_row, found.failures)],
        "components": [row for profile in found.profiles for row in _component_rows(profile)],
        "kernels": [{**_names(profile.cell), **asdict(each)} for profile in found.profiles for each in profile.kernels],
    }
    paths = []
    for name, rows in tables.items():
        paths.append(folder / f"{name}.csv")
        write_whole(paths[-1], pd.DataFrame(rows).to_csv(index=False, float_format="%.6g").encode())
    return paths


def _names(cell: Cell) -> dict[str, Any]:
    columns = ("model", "backend", "resolution_px", "batch_size", "mode", "precision", "device")
    return {name: getattr(cell, name) for name in columns}


def _cell_row(profile: Profile) -> dict[str, Any]:
    gaps = {
        f"{each.execution}_{name}": value
        for each in profile.gaps
        for name, value in {
            "latency_ms": each.latency_ms,
            "latency_ms_low": each.latency_low_ms,
            "latency_ms_high": each.latency_high_ms,
            "host_ms": each.host_ms,
            "busy_ms": each.busy_ms,
            "kernel_launches": each.kernel_launches,
            "traced_ms": each.traced_ms,
            "gap_ms": each.gap_ms,
            "gap_us_per_launch": each.gap_us_per_launch,
            "joules_per_step": each.joules,
            "power_w": each.power_w,
            "sm_clock_mhz": each.sm_clock_mhz,
            "throttle_reasons": each.throttle_reasons,
        }.items()
    }
    return {
        **_names(profile.cell),
        "status": "ok",
        "detail": "; ".join(profile.notes),
        "device_ms": profile.device_ms,
        "unprofiled_ms": profile.unprofiled_ms,
        "disagreement": profile.disagreement,
        "mfu": roofline.mfu(profile),
        "floor_ms": roofline.floor_ms(profile),
        "peak_mb": profile.memory.peak_bytes / 1e6 if profile.memory else None,
        **gaps,
    }


def _failure_row(failure: Failure) -> dict[str, Any]:
    return {**_names(failure.cell), "status": failure.status, "detail": failure.detail}


def _component_rows(profile: Profile) -> Iterator[dict[str, Any]]:
    by_component, joules = profile.by_component, profile.joules_per_image
    for point in roofline.points(profile):
        time = by_component[point.component]
        yield {
            **_names(profile.cell),
            "component": point.component,
            "forward_ms": time.forward_ms,
            "backward_ms": time.backward_ms,
            "optimizer_ms": time.optimizer_ms,
            "total_ms": point.ms,
            "share": point.ms / profile.device_ms,
            "joules_per_image": None if joules is None else joules * point.ms / profile.device_ms,
            "kernel_launches": time.kernel_launches,
            "gflops": point.flops / 1e9,
            "least_mb": point.least_bytes / 1e6,
            "cached_mb": None if time.cached_bytes is None else time.cached_bytes / 1e6,
            "intensity": point.intensity,
            "tflops_per_s": point.tflops_per_s,
            "gb_per_s": point.gb_per_s,
            "floor_ms": point.floor_ms,
            "share_of_roofline": point.share_of_roofline,
            "bound": point.bound,
            "is_capped": point.is_capped,
        }
