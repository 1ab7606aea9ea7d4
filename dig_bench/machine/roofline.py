"""This machine's roofs: measured once, kept in `results/MACHINE/roofs.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dig_bench.files import json_codec
from dig_bench.files.atomic import write_whole
from dig_bench.machine import environment
from dig_bench.measure.roofline import Roofs, measure

Say = Callable[[str], None]


def here(device: str, *, path: Path | None = None, say: Say = lambda text: None) -> Roofs:
    """Those that are kept, else they are measured, and kept. ValueError when they cannot be kept."""
    return kept(device, path=path, say=say) or measure_and_keep(device, path=path, say=say)


def kept(device: str, *, path: Path | None = None, say: Say = lambda text: None) -> Roofs | None:
    """Those of the file, when they are whole and of this device, driver and version of PyTorch; None otherwise."""
    machine = environment.describe(device)
    path = path or default_path(machine)
    try:
        content = json_codec.build(dict[str, Any], json_codec.parse(path.read_bytes()))
        measured_in = json_codec.build(dict[str, Any], content.pop("environment", None), "environment")
        found = json_codec.build(Roofs, content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        say(f"{path} is not to be read ({error}): measured anew")
        return None
    # The package's version: torch.__version__ may name the build as well.
    there = [found.device_name, measured_in.get("torch"), measured_in.get("driver")]
    is_same = there == [_name(machine), machine["torch"], machine.get("driver")]
    return found if is_same and found.sustained else None


def measure_and_keep(device: str, *, path: Path | None = None, say: Say = lambda text: None, **how: Any) -> Roofs:
    """`how` are the arguments of `measure`. ValueError when they cannot be kept."""
    machine = environment.describe(device)
    path = path or default_path(machine)
    found = measure(device, device_name=_name(machine), say=say, **how)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps({"environment": machine, **found.as_dict()}, indent=1) + "\n").encode())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    return found


def default_path(machine: Mapping[str, Any]) -> Path:
    return Path("results") / environment.machine_name(machine) / "roofs.json"


def _name(machine: Mapping[str, Any]) -> str:
    return str(machine.get("gpu_name") or machine.get("cpu"))
