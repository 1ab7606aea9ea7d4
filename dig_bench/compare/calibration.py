"""The calibration file: noise between processes on one machine, written by `calibrate` and read by `compare`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dig_bench.cell import Cell, Key
from dig_bench.files.atomic import write_whole
from dig_bench.files.json_codec import dumps
from dig_bench.machine.environment import machine_name

MACHINE = ("device", "cpu", "gpu_name", "power_limit_w")
"""Conditions that a calibration is valid for. The noise does not depend on versions of the software."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise between processes of the same code."""

    sd: float
    """Standard deviation of log values."""
    degrees: float
    """Degrees of freedom of the estimate: processes minus one."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    machine: Mapping[str, Any]
    """The machine, as described by `dig_bench.machine.environment`."""
    noise: Mapping[tuple[Key, str], Noise]
    """Noise by cell and metric."""
    processes: int | None = None
    """Recommended processes per side; None without a recommendation."""
    max_processes: int | None = None
    """Recommended limit for undecided cells."""
    source: str = field(default="", compare=False)
    """Path of the file."""

    def foreign(self, environment: Mapping[str, Any]) -> Iterator[str]:
        """Yields the ways in which the calibrated machine differs from a manifest's environment."""
        for key in MACHINE:
            if self.machine.get(key) != environment.get(key):
                yield f"{key} is {self.machine.get(key)} there, {environment.get(key)} here"

    def updated_by(self, newer: Calibration) -> Calibration:
        """Returns this calibration with the newer one's noise; the newer one alone if it is for another machine."""
        if any(self.foreign(newer.machine)):
            return newer
        return replace(newer, noise={**self.noise, **newer.noise})

    def write(self, path: Path) -> None:
        """Writes the file as a whole. Raises ValueError if that fails; the file is then unchanged."""
        content = {
            "machine": self.machine,
            "recommended": {"processes": self.processes, "max_processes": self.max_processes},
            "noise": [
                {"cell": key.as_dict(), "metric": metric, "sd": noise.sd, "degrees": noise.degrees}
                for (key, metric), noise in self.noise.items()
            ],
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, dumps(content).encode())
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from None

    @staticmethod
    def read(path: Path) -> Calibration:
        """Reads a file. Raises ValueError, in one line, if it is missing or broken."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            noise = {
                (Cell(**entry["cell"]).without("process"), str(entry["metric"])): Noise(
                    sd=float(entry["sd"]), degrees=float(entry["degrees"])
                )
                for entry in content["noise"]
            }
            machine = dict(content["machine"])
            recommended = dict(content.get("recommended", {}))
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} is not a calibration: {error!r}") from None
        if not all(0 <= each.sd < math.inf and 0 < each.degrees < math.inf for each in noise.values()):
            raise ValueError(f"{path} is not a calibration: its noise must be finite")
        plan = {name: recommended.get(name) for name in ("processes", "max_processes")}
        if not all(value is None or (type(value) is int and value > 0) for value in plan.values()):
            raise ValueError(f"{path} is not a calibration: processes must be whole numbers, not {plan}")
        return Calibration(machine=machine, noise=noise, source=str(path), **plan)


def default_path(environment: Mapping[str, Any]) -> Path:
    """Returns the path of the machine's calibration: `results/MACHINE/calibration.json`."""
    return Path("results") / machine_name(environment) / "calibration.json"


def find(environment: Mapping[str, Any]) -> Calibration | None:
    """Reads the machine's calibration. Returns None if there is none; raises ValueError if it is broken."""
    path = default_path(environment)
    return Calibration.read(path) if path.is_file() else None
