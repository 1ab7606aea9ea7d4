"""Worker processes: cells are measured where they can crash, hang or exhaust the memory without harm to the sweep.

Cells of one model, backend and process share a worker, which is replaced after every failure. The parent imports no
torch.
"""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import termios
import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from time import monotonic
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from dig_bench import protocol as protocols
from dig_bench.cell import Cell, Key, Row, Status, one_line
from dig_bench.files.clock import utc_now
from dig_bench.run.source import HERE, Source, worker_environment

if TYPE_CHECKING:
    from dig_bench.run.measure_cell import Samples

POLL_S = 0.5
"""How often the parent looks up from a silent pipe."""

GOODBYE_S = 10.0
"""How long a worker may take to end by itself."""

WorkerKey = tuple[str, str, int]
"""Model, backend and process, as of Cell.worker."""


class Observer(Protocol):
    """Is told what happens, for a display."""

    def started(self, cell: Cell) -> None: ...

    def phase(self, cell: Cell, text: str) -> None: ...


def measure(
    cells: Iterable[Cell],
    *,
    protocol: protocols.Protocol,
    plugins: Sequence[str] = (),
    observer: Observer,
    source: Source = HERE,
    interrupt: Interrupt | None = None,
    workers: Workers | None = None,
) -> Iterator[tuple[Row, Samples]]:
    """A row for every cell, in the order of the cells, each as soon as it is there.

    A cell that is larger than one of its series that was out of memory is not tried: it is `oom`, too, and says so.
    One that `source` does not know is `unsupported`. Ctrl-C lets the running cell finish and yields its row, then
    raises KeyboardInterrupt; a second one raises it at once. `interrupt` is for who calls this more than once,
    `workers` for who starts them ahead.
    """
    workers = workers or Workers()
    worker: Worker | None = None
    exhausted_at_px: dict[Key, int] = {}
    with nullcontext(interrupt) if interrupt else Interrupt() as interrupt:
        try:
            for cell in cells:
                interrupt.raise_if_asked()
                if obstacle := source.obstacle(cell):
                    yield _failed(cell, "unsupported", obstacle), {}
                    continue
                limit_px = exhausted_at_px.get(cell.without("resolution_px"))
                if limit_px is not None and cell.resolution_px > limit_px:
                    yield _failed(cell, "oom", f"skipped: out of memory at {limit_px} px"), {}
                    continue
                observer.started(cell)
                deadline = monotonic() + protocol.timeout_s
                # One that died between two cells has not failed at the next.
                if worker is not None and (worker.key != cell.worker or worker.is_dead):
                    worker.end()
                    worker = None
                worker = worker or workers.take(cell.worker, protocol, plugins, source)
                row, samples = worker.measure(cell, deadline, observer, interrupt)
                if row.status == "oom":
                    exhausted_at_px[cell.without("resolution_px")] = cell.resolution_px
                if not _leaves_worker_sound(row):
                    worker.kill()
                    worker = None
                yield row, samples
            if worker is not None:
                worker.end()
                worker = None
        finally:
            if worker is not None:
                worker.kill()


def _leaves_worker_sound(row: Row) -> bool:
    """After a failure a process may hold memory or a broken CUDA context; a refusal before the first call is none."""
    return row.measured or (row.status == "unsupported" and row.first_call_s is None)


class Worker:
    """A process in a session and group of its own: Ctrl-C does not reach it, and killing it kills its children."""

    def __init__(self, key: WorkerKey, protocol: protocols.Protocol, plugins: Sequence[str], source: Source) -> None:
        self.key = key
        self._source = source
        self._timeout_s = protocol.timeout_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._unread = b""
        self._replies, reply_fd = os.pipe()
        try:
            self._process = subprocess.Popen(
                # -P: what lies in the present folder is not the suite, nor is it asked for.
                [sys.executable, "-P", "-m", "dig_bench.run.worker", str(reply_fd), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(reply_fd,),
                start_new_session=True,
                env=worker_environment(source.root),
            )
        finally:
            os.close(reply_fd)
        self._send({"protocol": source.protocol(protocol), "plugins": list(plugins)})

    def measure(self, cell: Cell, deadline: float, observer: Observer, interrupt: Interrupt) -> tuple[Row, Samples]:
        """The worker's row, or one that says how the worker failed. `deadline` is on the monotonic clock."""
        self._send(self._source.cell(cell))
        told = False
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            while monotonic() < deadline:
                ready = selector.select(min(POLL_S, max(0.0, deadline - monotonic())))
                if interrupt.asked and not told:
                    observer.phase(cell, "stopping after this cell; Ctrl-C again stops at once")
                    told = True
                if not ready:
                    # Something that the worker started may hold the pipe open.
                    if self.is_dead:
                        return self._death(cell), {}
                    continue
                chunk = os.read(self._replies, 1 << 16)
                if not chunk:
                    return self._death(cell), {}
                *lines, self._unread = (self._unread + chunk).split(b"\n")
                for message in map(json.loads, lines):
                    if "row" in message:
                        return self._source.row(cell, message["row"]), message["samples"]
                    observer.phase(cell, message["phase"])
        return _failed(cell, "timeout", f"no result within {self._timeout_s:g} s"), {}

    @property
    def is_dead(self) -> bool:
        return self._process.poll() is not None

    @property
    def is_ready(self) -> bool:
        """Whether it has imported what every cell needs and read its first line, and is idle until it gets a cell."""
        assert self._process.stdin is not None
        unread = array("i", [0])
        fcntl.ioctl(self._process.stdin, termios.FIONREAD, unread)
        return unread[0] == 0

    def end(self) -> None:
        """Closes the input, upon which an idle worker ends; kills one that does not."""
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GOODBYE_S)
        self.kill()

    def kill(self) -> None:
        """The whole process group, at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._replies)
        self._log.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        # A worker that is dead already is noticed by whoever waits for its reply.
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _death(self, cell: Cell) -> Row:
        try:
            code = self._process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            return _failed(cell, "crashed", "the worker closed its pipe and hangs")
        if code >= 0:
            cause = f"the worker ended with exit code {code}"
        elif -code == signal.SIGKILL:
            cause = "killed by SIGKILL, probably by the kernel's out-of-memory killer"
        else:
            cause = f"killed by {signal.Signals(-code).name}"
        self._log.seek(0)
        output = self._log.read().decode(errors="replace").split("\n")
        last_line = next((line.strip() for line in reversed(output) if line.strip()), "")
        return _failed(cell, "crashed", f"{cause}: {last_line}" if last_line else cause)


class Workers:
    """Where `measure` has its workers from: started when they are asked for."""

    def take(self, key: WorkerKey, protocol: protocols.Protocol, plugins: Sequence[str], source: Source) -> Worker:
        return Worker(key, protocol, plugins, source)


class Interrupt:
    """Ctrl-C, turned from an exception at any place into a request; from the second on it is an exception again."""

    def __init__(self) -> None:
        self.asked = False
        self._previous: Any = None
        # Python delivers signals to the main thread only.
        self._active = threading.current_thread() is threading.main_thread()

    def raise_if_asked(self) -> None:
        if self.asked:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupt:
        if self._active:
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._active:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.raise_if_asked()
        self.asked = True


def _failed(cell: Cell, status: Status, detail: str) -> Row:
    return Row.of(cell, status, detail=one_line(detail), started_at=utc_now())
