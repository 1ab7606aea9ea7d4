"""The plan of a comparison: how many processes each side gets."""

from __future__ import annotations

from dataclasses import dataclass

from dig_bench.compare.calibration import Calibration
from dig_bench.compare.decision import DEFAULT_PROCESSES, MIN_PROCESSES


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Processes per side. Raises ValueError for numbers that cannot lead to a decision."""

    processes: int = DEFAULT_PROCESSES
    """Processes of every cell."""
    max_processes: int = 10
    """Upper limit for undecided cells, which get twice as many processes each time."""

    def __post_init__(self) -> None:
        if self.processes < MIN_PROCESSES:
            raise ValueError(f"--processes takes a whole number from {MIN_PROCESSES}, not {self.processes}")
        if self.max_processes < self.processes:
            raise ValueError(f"--max-processes must be at least {self.processes}, not {self.max_processes}")

    @staticmethod
    def chosen(processes: int | None, max_processes: int | None, calibration: Calibration | None) -> Plan:
        """Returns the plan that the user asked for, else the calibration's recommendation, else the default."""
        if processes is None:
            processes = (calibration and calibration.processes) or Plan.processes
        if max_processes is None:
            max_processes = max(processes, (calibration and calibration.max_processes) or Plan.max_processes)
        return Plan(processes=processes, max_processes=max_processes)
