"""What `dig-bench calibrate` found out about a machine, as a file that `dig-bench compare` finds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dig_bench.cell import Cell, Key
from dig_bench.files.atomic import write_whole
from dig_bench.machine.environment import machine_name

MACHINE = ("device", "cpu", "gpu_name", "power_limit_w")
"""What a calibration holds for. Other versions of the software are as noisy."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Between processes of the same code: the standard deviation of log figures, and the degrees of freedom that it was
    estimated with (processes minus one)."""

    sd: float
    degrees: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    machine: Mapping[str, Any]
    """As environment.describe tells it."""
    noise: Mapping[tuple[Key, str], Noise]
    """By cell and name of metric."""
    processes: int | None = None
    """Recommended, of each side; None when whoever wrote it recommended nothing."""
    max_processes: int | None = None
    """Recommended as a cap for undecided cells."""
    source: str = field(default="", compare=False)
    """The file."""

    def foreign(self, environment: Mapping[str, Any]) -> Iterator[str]:
        """In which ways it is of another machine than a manifest's environment."""
        for key in MACHINE:
            if self.machine.get(key) != environment.get(key):
                yield f"{key} is {self.machine.get(key)} there, {environment.get(key)} here"

    def updated_by(self, newer: Calibration) -> Calibration:
        """With what the newer one knows; that one alone when it is of another machine."""
        if any(self.foreign(newer.machine)):
            return newer
        return replace(newer, noise={**self.noise, **newer.noise})

    def write(self, path: Path) -> None:
        """ValueError when it cannot be written; then the file is what it was."""
        content = {
            "machine": dict(self.machine),
            "recommended": {"processes": self.processes, "max_processes": self.max_processes},
            "noise": [
                {"cell": key.as_dict(), "metric": metric, "sd": noise.sd, "degrees": noise.degrees}
                for (key, metric), noise in self.noise.items()
            ],
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, (json.dumps(content, indent=1) + "\n").encode())
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from None

    @staticmethod
    def read(path: Path) -> Calibration:
        """ValueError, in one line, for a file that is missing or broken."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            noise = {
                (replace(Cell(**entry["cell"]), process=0), str(entry["metric"])): Noise(
                    sd=float(entry["sd"]), degrees=float(entry["degrees"])
                )
                for entry in content["noise"]
            }
            machine = dict(content["machine"])
            recommended = dict(content.get("recommended", {}))
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} is no calibration: {error!r}") from None
        if not all(0 <= each.sd < math.inf and 0 < each.degrees < math.inf for each in noise.values()):
            raise ValueError(f"{path} is no calibration: a noise is a finite number")
        plan = {name: recommended.get(name) for name in ("processes", "max_processes")}
        if not all(value is None or (type(value) is int and value > 0) for value in plan.values()):
            raise ValueError(f"{path} is no calibration: processes are whole numbers, not {plan}")
        return Calibration(machine=machine, noise=noise, source=str(path), **plan)


def default_path(environment: Mapping[str, Any]) -> Path:
    """Where the machine's calibration lies: `results/MACHINE/calibration.json`."""
    return Path("results") / machine_name(environment) / "calibration.json"


def find(environment: Mapping[str, Any]) -> Calibration | None:
    """The machine's, None where there is none. ValueError for a broken one."""
    path = default_path(environment)
    return Calibration.read(path) if path.is_file() else None
