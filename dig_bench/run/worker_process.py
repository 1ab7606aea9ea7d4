"""Worker processes as their parent sees them: start, request, death.

A task that crashes, hangs or exhausts the memory does so without harm to the parent.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from dig_bench.cell import one_line
from dig_bench.run.source import OURS, worker_environment
from dig_bench.run.task import Say, TaskError

POLL_S = 0.5
"""Longest wait for a reply before the parent looks whether the worker is alive and whether Ctrl-C was pressed."""

GOODBYE_S = 10.0
"""Time that a worker has to end by itself."""


class Worker:
    """A process that runs one task, again for each request.

    It has its own session and process group: Ctrl-C does not reach it, and killing it kills its children.
    """

    def __init__(self, task: str, *, root: Path = OURS) -> None:
        """Starts the process. `task` is `module:function`, imported from the code in `root`."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._unread = b""
        self.replies, reply_fd = os.pipe()
        """File descriptor that becomes readable once the worker has imported its task, or has died."""
        try:
            self._process = subprocess.Popen(
                # -P: the current folder may hold modules with the names of ours.
                [sys.executable, "-P", "-m", "dig_bench.run.worker", str(reply_fd), str(os.getpid()), task],
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(reply_fd,),
                start_new_session=True,
                env=worker_environment(root),
            )
        finally:
            os.close(reply_fd)

    def call(
        self, arguments: Mapping[str, Any], *, timeout_s: float, say: Say, idle: Callable[[], None] = lambda: None
    ) -> Any:
        """Returns the task's result; the time includes the start of a process that is still starting.

        `say` receives the phases; `idle` is called at least every POLL_S. Raises TaskError when the task fails, when
        the process dies (`crashed`) and after `timeout_s` (`timeout`).
        """
        deadline = monotonic() + timeout_s
        self._send(arguments)
        with selectors.DefaultSelector() as selector:
            selector.register(self.replies, selectors.EVENT_READ)
            while (left_s := deadline - monotonic()) > 0:
                ready = selector.select(min(POLL_S, left_s))
                idle()
                if not ready:
                    # A process that the worker started may hold the pipe open.
                    if self.is_dead:
                        raise self._death()
                    continue
                chunk = os.read(self.replies, 1 << 16)
                if not chunk:
                    raise self._death()
                *lines, self._unread = (self._unread + chunk).split(b"\n")
                for message in map(json.loads, lines):
                    if "result" in message:
                        return message["result"]
                    if "failed" in message:
                        raise TaskError(message["failed"]["status"], message["failed"]["detail"])
                    if "phase" in message:
                        say(message["phase"])
        raise TaskError("timeout", f"no result within {timeout_s:g} s")

    @property
    def is_dead(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> None:
        """Closes the input, which ends an idle worker; kills one that does not end."""
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GOODBYE_S)
        self.kill()

    def kill(self) -> None:
        """Kills the process group at once, and waits until its memory is free."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self.replies)
        self._log.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        # A dead worker shows when its reply is read.
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _death(self) -> TaskError:
        """The reason why the process died, with the last line that it printed."""
        try:
            code = self._process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            return TaskError("crashed", "the worker closed its pipe and hangs")
        self._log.seek(0)
        output = self._log.read().decode(errors="replace").split("\n")
        last_line = next((line.strip() for line in reversed(output) if line.strip()), "")
        return TaskError("crashed", one_line(f"{_cause(code)}: {last_line}" if last_line else _cause(code)))


def run_once(task: str, arguments: Mapping[str, Any], *, timeout_s: float, say: Say) -> Any:
    """Runs a task once, in a process of its own. Raises TaskError as Worker.call does."""
    worker = Worker(task)
    try:
        return worker.call(arguments, timeout_s=timeout_s, say=say)
    finally:
        worker.kill()


def _cause(exit_code: int) -> str:
    if exit_code >= 0:
        return f"the worker ended with exit code {exit_code}"
    if -exit_code == signal.SIGKILL:
        return "killed by SIGKILL, probably by the kernel's out-of-memory killer"
    names = {each.value: each.name for each in signal.Signals}
    return f"killed by {names.get(-exit_code, f'signal {-exit_code}')}"
