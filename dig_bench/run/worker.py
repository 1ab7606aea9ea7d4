"""Main program of a worker process: `python -m dig_bench.run.worker REPLY_FD PARENT_PID MODULE:FUNCTION`.

The worker imports the function and sends {"ready": true}. Each line of standard input is a request: a JSON object of
keyword arguments. The replies are JSON lines on the file descriptor REPLY_FD: any number of {"phase": ...}, then either
{"result": ...} or {"failed": {"status": ..., "detail": ...}}. Standard output and error belong to the libraries. The
worker ends when its input ends, and dies with its parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, TextIO

from dig_bench.cell import Status, one_line
from dig_bench.run.task import TaskError

PR_SET_PDEATHSIG = 1


def main() -> None:
    reply_fd, parent_pid, task = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    die_with(parent_pid)
    # A compiler's processes would keep an inherited pipe open after the worker's death.
    os.set_inheritable(reply_fd, False)
    with os.fdopen(reply_fd, "w") as replies:
        module, _, function = task.partition(":")
        serve(getattr(import_module(module), function), sys.stdin, replies)


def die_with(parent_pid: int) -> None:
    """Asks Linux for SIGKILL when the parent dies: a worker that is inside a kernel does not notice a closed pipe."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the request took effect.
    if os.getppid() != parent_pid:
        sys.exit("the parent is gone")


def serve(task: Callable[..., Any], requests: TextIO, replies: TextIO) -> None:
    """Answers every request until the input ends."""

    def reply(**message: Any) -> None:
        # Not json_codec: a NaN among the values has to arrive as one.
        replies.write(json.dumps(message) + "\n")
        replies.flush()

    reply(ready=True)
    for line in requests:
        try:
            result = task(lambda text: reply(phase=text), **json.loads(line))
        except Exception as error:
            reply(failed={"status": _status(error), "detail": _detail(error)})
        else:
            reply(result=result)


def _status(error: Exception) -> Status:
    # Imports torch, which the task has imported anyway.
    from dig_bench.measure.memory import is_out_of_memory

    if isinstance(error, TaskError):
        return error.status
    return "oom" if is_out_of_memory(error) else "crashed"


def _detail(error: Exception) -> str:
    return one_line(str(error) if isinstance(error, TaskError) else f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
