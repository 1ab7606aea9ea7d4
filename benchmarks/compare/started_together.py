"""Workers that start at the same time, and then measure one after the other.

A worker takes longer to import PyTorch than to measure a few small cells, and a processor with many cores imports for
six workers in the time of one. Each worker is still a process of its own, which creates its CUDA context with its first
cell and sleeps until then.
"""

from __future__ import annotations

import select
import time
from types import TracebackType
from typing import Self
from unittest.mock import patch

from dig_bench.run import workers
from dig_bench.run.source import Source
from dig_bench.run.worker_process import Worker

PATIENCE_S = 120.0
"""Longest wait for imports. A worker that needs longer finishes them in its turn."""


class StartedTogether:
    """Supplies the workers of `measure` while the block runs: starts `count` at a time, all from one source.

    The end of the block kills the workers that are left.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._start = workers.start_worker
        self.waiting: list[Worker] = []

    def take(self, source: Source) -> Worker:
        """Returns a worker that has imported what it needs. The first call starts and awaits all of them."""
        if not self.waiting:
            self.waiting = [self._start(source) for _ in range(self._count)]
            self._await_imports()
        worker = self.waiting.pop(0)
        if not worker.is_dead:
            return worker
        # A worker that died asleep has not failed at a cell.
        worker.kill()
        return self._start(source)

    def _await_imports(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        starting = {worker.replies for worker in self.waiting}
        while starting and (left_s := deadline - time.monotonic()) > 0:
            starting -= set(select.select(starting, [], [], left_s)[0])

    def __enter__(self) -> Self:
        self._patch = patch.object(workers, "start_worker", self.take)
        self._patch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._patch.stop()
        for worker in self.waiting:
            worker.kill()
        self.waiting.clear()
