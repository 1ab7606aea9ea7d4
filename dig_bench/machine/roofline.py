"""Stored roofline of this machine, `results/MACHINE/roofline.json`: measured once, then read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dig_bench.files import json_codec
from dig_bench.files.atomic import write_whole
from dig_bench.machine import environment
from dig_bench.measure import cpu_load
from dig_bench.measure.peaks import measure
from dig_bench.measure.roofline import Roofline

Say = Callable[[str], None]


class BusyError(ValueError):
    """Says that other processes use the CPU, so that its roofline was not measured, and what to do."""


def load_or_measure(device: str, *, path: Path | None = None, say: Say = lambda text: None) -> Roofline:
    """Loads the stored roofline, or measures and stores it.

    Raises BusyError on a busy CPU, and ValueError if it cannot be stored.
    """
    return load(device, path=path, say=say) or measure_and_store(device, path=path, say=say)


def load(device: str, *, path: Path | None = None, say: Say = lambda text: None) -> Roofline | None:
    """Loads the stored roofline; None if there is none that applies.

    It does not apply to another device, driver or version of PyTorch, nor if it lacks the bandwidth of a GPU's cache,
    nor on a CPU if it was not shown that the CPU was idle.
    """
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
    if there != [_name(machine), machine["torch"], machine.get("driver")]:
        return None
    if device == "cpu" and (found.other_cpus is None or found.other_cpus > cpu_load.most()):
        say(f"{path} may be that of a busy CPU: measuring again")
        return None
    return found if device == "cpu" or found.cache else None


def measure_and_store(device: str, *, path: Path | None = None, say: Say = lambda text: None, **how: Any) -> Roofline:
    """Measures and stores the roofline; `how` are arguments of `measure`.

    Raises BusyError if other processes use the CPU that is to be measured, before or meanwhile, and ValueError if the
    roofline cannot be stored.
    """
    machine = environment.describe(device)
    path = path or default_path(machine)
    found = _measure_cpu(machine, say, how) if device == "cpu" else _measure(device, machine, say, how)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json_codec.dumps({"environment": machine, **found.as_dict()}).encode())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    return found


def default_path(machine: Mapping[str, Any]) -> Path:
    """Returns `results/h100-80gb-hbm3/roofline.json`."""
    return Path("results") / environment.machine_name(machine) / "roofline.json"


def _measure_cpu(machine: Mapping[str, Any], say: Say, how: Mapping[str, Any]) -> Roofline:
    before = cpu_load.look()
    _check_idle(before)
    begin = cpu_load.read()
    found = _measure("cpu", machine, say, how)
    meanwhile = cpu_load.others(begin, cpu_load.read())
    _check_idle(meanwhile)
    return replace(found, other_cpus=before if meanwhile is None else meanwhile)


def _measure(device: str, machine: Mapping[str, Any], say: Say, how: Mapping[str, Any]) -> Roofline:
    return measure(device, device_name=_name(machine), say=say, **how)


def _check_idle(other_cpus: float | None) -> None:
    if other_cpus is not None and other_cpus > cpu_load.most():
        raise BusyError(
            f"the CPU is busy, so its roofline was not measured: other processes use {other_cpus:.2f} CPUs, at most "
            f"{cpu_load.most():.2f} may be in use; end them, or wait, and run `dig-bench roofline --device cpu`"
        )


def _name(machine: Mapping[str, Any]) -> str:
    return str(machine.get("gpu_name") or machine.get("cpu"))
