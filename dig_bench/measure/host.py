"""Speed of the host at launching kernels, in comparison with its best in this process.

Eager code of small kernels takes the time of the host. A slow spell of the host, seconds long, then looks like a slow
network with a narrow interval.
"""

from __future__ import annotations

import statistics
from functools import cache
from time import perf_counter

import torch

LAUNCHES = 200
REPEATS = 5


class Host:
    """Launch times of one process, the fastest of which is the standard. Get it by `this_process`."""

    def __init__(self) -> None:
        self._fastest_us = float("inf")

    def slowdown(self) -> float:
        """Returns by which factor launches of an elementwise kernel take longer now than at their best; at least 1."""
        now_us = _launch_us()
        self._fastest_us = min(self._fastest_us, now_us)
        return now_us / self._fastest_us


@cache
def this_process() -> Host:
    return Host()


def _launch_us() -> float:
    number = torch.zeros(1, device="cuda")
    times_us = []
    for _ in range(REPEATS):
        torch.cuda.synchronize()
        begin_s = perf_counter()
        for _ in range(LAUNCHES):
            number.add_(1)
        times_us.append(1e6 * (perf_counter() - begin_s) / LAUNCHES)
    return statistics.median(times_us)
