"""Ctrl-C as a request to stop after the running cell."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from dig_bench.run.task import Say


class Interrupt:
    """While the block runs, the first Ctrl-C sets `asked`; from the second one on it raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.asked = False
        self._announced = False
        self._previous: Any = None
        # Python delivers signals to the main thread only.
        self._active = threading.current_thread() is threading.main_thread()

    def raise_if_asked(self) -> None:
        if self.asked:
            raise KeyboardInterrupt

    def announce(self, say: Say) -> None:
        """Reports the request to stop through `say`, once."""
        if self.asked and not self._announced:
            self._announced = True
            say("stopping after this cell; Ctrl-C again stops at once")

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
