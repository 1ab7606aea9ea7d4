"""Short profiles: a protocol of few samples, and tasks that run in the process of the test."""

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from dig_bench.run.task import Say

QUICK = {
    "warmup_min_seconds": 0.0,
    "warmup_seconds": 0.0,
    "min_samples": 2,
    "max_samples": 5,
    "min_seconds": 0.0,
    "max_seconds": 0.001,
}
"""Fields of a Protocol whose timings take no time, and say nothing."""


def run_in_process(task: str, arguments: Mapping[str, Any], *, timeout_s: float, say: Say) -> Any:
    """Runs a task as `run_once` does, under the protocol QUICK and without a process of its own."""
    module, _, function = task.partition(":")
    quick = {**arguments, "protocol": {**arguments["protocol"], **QUICK}}
    found = getattr(import_module(module), function)(say, **json.loads(json.dumps(quick)))
    return json.loads(json.dumps(found))
