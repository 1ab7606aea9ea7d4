"""Tasks: functions that a worker process runs by name.

A task is called with `say`, which reports its phase, and with JSON values as keyword arguments. It returns a JSON value
and raises TaskError for a failure that has a status of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from dig_bench.cell import Status

Say = Callable[[str], None]
"""Reports the phase of a task: `building`, `warm-up`, `timing`."""


class TaskError(Exception):
    """A failure with a row's `status` and the reason in one line."""

    def __init__(self, status: Status, detail: str) -> None:
        super().__init__(detail)
        self.status: Status = status
