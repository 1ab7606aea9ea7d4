"""Stored roofline of this machine, `results/MACHINE/roofline.json`: measured once, then read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dig_bench.files import json_codec
from dig_bench.files.atomic import write_whole
from dig_bench.machine import environment
from dig_bench.measure.roofline import Roofline, measure

Say = Callable[[str], None]


def load_or_measure(device: str, *, path: Path | None = None, say: Say = lambda text: None) -> Roofline:
    """Loads the stored roofline, or measures and stores it. Raises ValueError if it cannot be stored."""
    return load(device, path=path, say=say) or measure_and_store(device, path=path, say=say)


def load(device: str, *, path: Path | None = None, say: Say = lambda text: None) -> Roofline | None:
    """Loads the stored roofline; None if there is none, or one of another device, driver or version of PyTorch."""
    machine = environment.describe(device)
    path = path or default_path(machine)
    try:
        content = json_codec.build(dict[str, Any], json_codec.parse(path.read_bytes()))
        measured_in = json_codec.build(dict[str, Any], content.pop("environment", None), "environment")
        found = json_codec.build(Roofline, content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        say(f"{path} cannot be read ({error}): measuring again")
        return None
    # The package's version: torch.__version__ may name the build as well.
    there = [found.device_name, measured_in.get("torch"), measured_in.get("driver")]
    return found if there == [_name(machine), machine["torch"], machine.get("driver")] else None


def measure_and_store(device: str, *, path: Path | None = None, say: Say = lambda text: None, **how: Any) -> Roofline:
    """Measures and stores the roofline; `how` are arguments of `measure`. Raises ValueError if it cannot be stored."""
    machine = environment.describe(device)
    path = path or default_path(machine)
    found = measure(device, device_name=_name(machine), say=say, **how)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json_codec.dumps({"environment": machine, **found.as_dict()}).encode())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    return found


def default_path(machine: Mapping[str, Any]) -> Path:
    """Returns `results/h100-80gb-hbm3/roofline.json`."""
    return Path("results") / environment.machine_name(machine) / "roofline.json"


def _name(machine: Mapping[str, Any]) -> str:
    return str(machine.get("gpu_name") or machine.get("cpu"))
