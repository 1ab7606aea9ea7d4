"""Watches a GPU from a process of its own, which shares no lock with the one that launches kernels.

`python -m dig_bench.measure.monitor` reads lines from standard input: `start` begins a recording, `stop` ends it and
answers with one line of JSON. The process ends with its input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import Any

from dig_bench.measure.nvml import Gpu, open_gpu
from dig_bench.measure.recording import Recording

POLL_S = 2e-3
STATE_EVERY_S = 0.02


class Monitor:
    """The watching process, from the side of the one that measures. Close it after use."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dig_bench.measure.monitor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    @contextmanager
    def watch(self) -> Iterator[Recording]:
        """Records while the block runs; the recording is filled afterwards, and empty if the GPU reports nothing."""
        found = Recording()
        self._send("start")
        # The answer says that the process is up: its start costs no measured time.
        self._read()
        try:
            yield found
        finally:
            self._send("stop")
            for name, value in self._read().items():
                getattr(found, name).extend(value)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                # What a dead process did not read cannot be flushed.
                with suppress(OSError):
                    stream.close()

    def _send(self, word: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {}
        return found


def main() -> None:
    gpu = open_gpu()
    recording, stop = Recording(), threading.Event()
    thread: threading.Thread | None = None
    for line in sys.stdin:
        if line.strip() == "start":
            recording, stop = Recording(), threading.Event()
            if gpu is not None:
                thread = threading.Thread(target=_record, args=(gpu, recording, stop), daemon=True)
                thread.start()
            print("{}", flush=True)
        elif line.strip() == "stop":
            stop.set()
            if thread:
                thread.join()
            print(json.dumps(vars(recording)), flush=True)


def _record(gpu: Gpu, recording: Recording, stop: threading.Event) -> None:
    reading, looked_s = gpu.energy_mj, 0.0
    while not stop.is_set():
        now = monotonic()
        previous, reading = reading, gpu.energy_mj
        if reading is not None and reading != previous:
            recording.moves.append((now, reading))
        if now - looked_s >= STATE_EVERY_S:
            looked_s = now
            recording.states.append((now, gpu.sm_clock_mhz, gpu.temperature_c, " ".join(gpu.throttle_reasons())))
        sleep(POLL_S)


if __name__ == "__main__":
    main()
