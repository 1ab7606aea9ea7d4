"""A folder of profiles: a JSON file a cell, and the same as tables over all of them."""

from __future__ import annotations

import json
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
"""As path_of names them."""

SAME = ("git_revision", "gpu_name", "cpu", "driver", "torch")
"""Of the environment: a profile is kept where these are what they were."""


def is_one(folder: Path) -> bool:
    """Whether there are profiles in it, or their failures."""
    return next(folder.glob(FILES), None) is not None


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """As write_failure writes it."""

    cell: Cell
    status: Status
    detail: str


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Of a folder: what was profiled, and what could not be, in the order of their names."""

    profiles: Sequence[Profile]
    failures: Sequence[tuple[Cell, Status, str]]


def path_of(folder: Path, cell: Cell, suffix: str = ".json") -> Path:
    """`DiG-XL-2_fla_2048px_b1_forward_bf16.json`, and on a CPU `..._fp32_cpu.json`."""
    name = f"{cell.model}_{cell.backend}_{cell.resolution_px}px_b{cell.batch_size}_{cell.mode}_{cell.precision}"
    name += "" if cell.device == "cuda" else f"_{cell.device}"
    return folder / (re.sub(r"[^\w.-]", "-", name) + suffix)


def write(folder: Path, cell: Cell, profile: Profile) -> Path:
    return _write(path_of(folder, cell), asdict(profile))


def write_failure(folder: Path, cell: Cell, status: Status, detail: str) -> Path:
    return _write(path_of(folder, cell), asdict(_Failure(cell=cell, status=status, detail=detail)))


def find(folder: Path, cell: Cell) -> Profile | None:
    """None where there is none, or a failure, or a file that cannot be read."""
    try:
        found = read(json_codec.parse(path_of(folder, cell).read_bytes()))
    except (OSError, ValueError):
        return None
    return found if found.cell == cell.as_dict() else None


def is_of(profile: Profile, environment: Mapping[str, Any]) -> bool:
    """Whether it was taken on this machine, of this revision of the source, and of no changes to it."""
    return not environment.get("git_dirty") and all(
        profile.environment.get(name) == environment.get(name) for name in SAME
    )


def read_all(folder: Path, *, say: Callable[[str], None]) -> Contents:
    """Says which files are broken, and leaves them out."""
    profiles: list[tuple[Cell, Profile]] = []
    failures = []
    for path in sorted(folder.glob(FILES)):
        try:
            value = json_codec.parse(path.read_bytes())
            if isinstance(value, dict) and "detail" in value:
                failed = json_codec.build(_Failure, value)
                failures.append((failed.cell, failed.status, failed.detail))
            else:
                found = read(value)
                profiles.append((Cell(**found.cell), found))
        except (OSError, ValueError) as error:
            say(f"{path} is left out: {one_line(str(error))}")
    in_order = sorted(profiles, key=lambda each: _order(each[0]))
    return Contents(profiles=[profile for _, profile in in_order], failures=failures)


def _order(cell: Cell) -> tuple[Any, ...]:
    return cell.model, cell.backend, cell.mode, cell.precision, cell.batch_size, cell.resolution_px


def write_tables(folder: Path, found: Contents) -> list[Path]:
    """cells.csv, components.csv, kernels.csv."""
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


def _write(path: Path, value: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(value, indent=1, default=str) + "\n").encode())
    return path


def _names(cell: Mapping[str, Any]) -> dict[str, Any]:
    columns = ("model", "backend", "resolution_px", "batch_size", "mode", "precision", "device")
    return {name: cell[name] for name in columns}


def _cell_row(profile: Profile) -> dict[str, Any]:
    gaps = {
        f"{each.execution}_{name}": value
        for each in profile.gaps
        for name, value in {
            "latency_ms": each.latency_ms,
            "host_ms": each.host_ms,
            "busy_ms": each.busy_ms,
            "idle_share": each.idle_share,
            "launches": each.launches,
            "joules_per_step": each.joules,
            "power_w": each.power_w,
            "sm_clock_mhz": each.sm_clock_mhz,
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


def _failure_row(failure: tuple[Cell, Status, str]) -> dict[str, Any]:
    cell, status, detail = failure
    return {**_names(cell.as_dict()), "status": status, "detail": detail}


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
            "launches": time.launches,
            "gflops": point.flops / 1e9,
            "least_mb": point.least_bytes / 1e6,
            "intensity": point.intensity,
            "tflops_per_s": point.tflops_per_s,
            "gb_per_s": point.gb_per_s,
            "roof_ms": point.roof_ms,
            "share_of_roof": point.share_of_roof,
            "bound": point.bound,
        }
