"""A worker's main: `python -m dig_bench.run.worker REPLY_FD PARENT_PID`.

JSON lines come in by standard input, {"protocol": ..., "plugins": [...]} first, then cells; out by the file descriptor
REPLY_FD go {"phase": ...} and, at the end of each cell, {"row": ..., "samples": ...}. Standard output and error belong
to the libraries. The worker ends with its input, and dies with its parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict
from typing import Any, TextIO

PR_SET_PDEATHSIG = 1


def main() -> None:
    reply_fd, parent_pid = int(sys.argv[1]), int(sys.argv[2])
    die_with(parent_pid)
    # Processes that a compiler starts would hold the pipe open after the worker's death.
    os.set_inheritable(reply_fd, False)
    with os.fdopen(reply_fd, "w") as replies:
        serve(sys.stdin, replies)


def die_with(parent_pid: int) -> None:
    """Asks Linux for SIGKILL at the death of the parent: a worker in the midst of a kernel reads no pipe."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before it was asked for.
    if os.getppid() != parent_pid:
        sys.exit("the parent is gone")


def serve(requests: TextIO, replies: TextIO) -> None:
    from dig_bench.cell import Cell
    from dig_bench.plan import plugins
    from dig_bench.protocol import Protocol
    from dig_bench.run.measure_cell import run

    def reply(**message: Any) -> None:
        replies.write(json.dumps(message) + "\n")
        replies.flush()

    setup = json.loads(requests.readline())
    protocol = Protocol(**setup["protocol"])
    plugins.load(setup["plugins"])
    for line in requests:
        row, samples = run(Cell(**json.loads(line)), protocol, lambda text: reply(phase=text))
        reply(row=asdict(row), samples=samples)


if __name__ == "__main__":
    main()
