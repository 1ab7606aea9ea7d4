"""Workers that start all at once, and then measure one after the other.

Importing PyTorch takes a worker longer than measuring a few small cells, and a processor with many cores imports for
six of them in the time of one. Each is still a process of its own, for one process, whose CUDA context begins with its
first cell. Until its turn it waits for its input, asleep.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from dig_bench.protocol import Protocol
from dig_bench.run.source import Source
from dig_bench.run.workers import Worker, WorkerKey, Workers

PATIENCE_S = 120.0
"""For imports. A worker that takes longer goes on with them in its turn."""

Turn = tuple[WorkerKey, tuple[str, ...]]
"""A worker's key and plugins."""


class StartedTogether(Workers):
    """Of turns in order: who is asked for starts together with all that come after. Ends those nobody asks for."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = list(turns)
        self._waiting: list[tuple[Turn, Worker]] = []

    def take(self, key: WorkerKey, protocol: Protocol, plugins: Sequence[str], source: Source) -> Worker:
        turn = (key, tuple(plugins))
        if turn not in (waiting for waiting, _ in self._waiting):
            self._start(turn, protocol, source)
        place = next(place for place, (waiting, _) in enumerate(self._waiting) if waiting == turn)
        _, worker = self._waiting.pop(place)
        if not worker.is_dead:
            return worker
        # One that died asleep has not failed at a cell.
        worker.kill()
        return super().take(key, protocol, plugins, source)

    def _start(self, first: Turn, protocol: Protocol, source: Source) -> None:
        after = self._turns[self._turns.index(first) :] if first in self._turns else [first]
        for turn in (Counter(after) - Counter(waiting for waiting, _ in self._waiting)).elements():
            self._waiting.append((turn, Worker(turn[0], protocol, turn[1], source)))
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and not all(each.is_ready or each.is_dead for _, each in self._waiting):
            time.sleep(0.02)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for _, worker in self._waiting:
            worker.kill()
        self._waiting.clear()
