"""A task in a process of its own, where it can exhaust the memory, crash or hang without harm to the others.

`isolate` does that for rows of a sweep, whose workers live on from cell to cell; a task here takes any time to start.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from typing import Any

from dig_bench.cell import Status, one_line

Say = Callable[[str], None]


class TaskError(Exception):
    """A task did not end well: `status`, as rows have it, and why."""

    def __init__(self, status: Status, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def apart(task: Callable[[Say], Any], *, say: Say, timeout_s: float) -> Any:
    """What `task(say)` returns, which is pickled, as the task itself is. TaskError for whatever goes wrong in it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile() as log:
        process = context.Process(target=_run, args=(task, theirs, log.name), daemon=True)
        process.start()
        theirs.close()
        return _result(process, ours, say=say, timeout_s=timeout_s, log=Path(log.name))


def _result(process: BaseProcess, ours: Connection, *, say: Say, timeout_s: float, log: Path) -> Any:
    deadline = monotonic() + timeout_s
    try:
        while ours.poll(max(0.0, deadline - monotonic())):
            kind, value = ours.recv()
            if kind == "said":
                say(value)
            elif kind == "done":
                process.join(timeout=10)
                return value
            else:
                raise TaskError(*value)
    except (EOFError, OSError):
        process.join(timeout=10)
        raise TaskError("crashed", one_line(f"{_cause(process.exitcode)} {_last_line(log)}")) from None
    finally:
        process.kill()
        # Until it is gone, its memory is not the next one's.
        process.join()
    raise TaskError("timeout", f"no result within {timeout_s:g} s")


def _run(task: Callable[[Say], Any], pipe: Connection, log: str) -> None:
    # Libraries write there what is no message to the user, until they crash.
    with open(log, "wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    # Ctrl-C goes to the whole terminal; whoever started this decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from dig_bench.measure.memory import is_out_of_memory

    try:
        pipe.send(("done", task(lambda text: pipe.send(("said", text)))))
    except TaskError as error:
        pipe.send(("failed", (error.status, str(error))))
    except Exception as error:
        status: Status = "oom" if is_out_of_memory(error) else "crashed"
        pipe.send(("failed", (status, one_line(f"{type(error).__name__}: {error}"))))


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        names = {each.value: each.name for each in signal.Signals}
        return f"killed by {names.get(-exit_code, f'signal {-exit_code}')}"
    return f"the process ended with exit code {exit_code}"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
