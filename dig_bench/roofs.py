"""This machine's roofs: measured once, kept in `results/MACHINE/roofs.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dig_bench import environment
from dig_bench.disk import write_whole
from dig_bench.measure.roofs import Roofs, measure

Say = Callable[[str], None]


def here(device: str, *, path: Path | None = None, again: bool = False, say: Say = lambda text: None) -> Roofs:
    """Those of the file when they are of this device and this version of PyTorch; else they are measured, and kept.

    ValueError when they cannot be kept.
    """
    machine = environment.describe(device)
    path = path or default_path(machine)
    name = str(machine.get("gpu_name") or machine.get("cpu"))
    kept = None if again else _read(path, say)
    if kept is not None and (kept.device_name, kept.torch) == (name, machine["torch"]):
        return kept
    found = measure(device, device_name=name, say=say)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps({"environment": machine, **found.as_dict()}, indent=1) + "\n").encode())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    return found


def default_path(machine: Mapping[str, Any]) -> Path:
    return Path("results") / environment.machine_name(machine) / "roofs.json"


def _read(path: Path, say: Say) -> Roofs | None:
    try:
        return Roofs.of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        say(f"{path} is not to be read ({error}): measured anew")
        return None
