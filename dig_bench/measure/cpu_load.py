"""Load of the CPUs: how many of them other processes keep busy.

Read from /proc/stat over the CPUs that this process may use. Time that a hypervisor gives to other machines counts as
busy. Systems without /proc/stat have the load average of the last minute instead.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, process_time, sleep

STAT = Path("/proc/stat")

LOOK_S = 0.2
LOOKS = 3
"""Looks before a measurement. The calmest one counts: a daemon that wakes up once keeps no CPU busy."""

MOST_CPUS, MOST_SHARE = 0.5, 0.1
"""Most CPUs that others keep busy on an idle machine: half a CPU, and a tenth of the CPUs of a small machine."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Counters in seconds, summed over the CPUs of this process."""

    time_s: float
    busy_s: float
    own_s: float
    """CPU time of this process, with all its threads."""


def read() -> Reading | None:
    """Returns the counters; None without /proc/stat."""
    cpus = _cpus()
    try:
        lines = [line.split() for line in STAT.read_text().splitlines()]
    except OSError:
        return None
    ticks = [list(map(int, values[:8])) for name, *values in lines if name in cpus]
    if not ticks:
        return None
    # user nice system idle iowait irq softirq steal
    busy = sum(sum(each) - each[3] - each[4] for each in ticks)
    return Reading(time_s=monotonic(), busy_s=busy / os.sysconf("SC_CLK_TCK"), own_s=process_time())


def others(begin: Reading | None, end: Reading | None) -> float | None:
    """Returns the mean number of CPUs that other processes kept busy between two readings; None without readings."""
    if begin is None or end is None or end.time_s <= begin.time_s:
        return None
    busy_s = (end.busy_s - begin.busy_s) - (end.own_s - begin.own_s)
    return max(0.0, busy_s / (end.time_s - begin.time_s))


def look() -> float | None:
    """Returns the number of CPUs that others keep busy now, after LOOKS looks at most; None if nothing tells."""
    found = []
    for _ in range(LOOKS):
        begin = read()
        sleep(LOOK_S if begin else 0.0)
        now = others(begin, read())
        if now is None:
            return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        found.append(now)
        if now <= most():
            break
    return min(found)


def most() -> float:
    """Returns the most CPUs that others keep busy on a machine that counts as idle."""
    return min(MOST_CPUS, MOST_SHARE * len(_cpus()))


def _cpus() -> set[str]:
    """Names of the CPUs of this process in /proc/stat."""
    numbers = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return {f"cpu{number}" for number in numbers}
