"""Parses lists and ranges of the command line: `--res 256..2048:x2`, `--batch 1,8`, `--mode forward,train`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from dig_bench.cell import EXECUTIONS, MODES, PRECISIONS
from dig_bench.plan.suggest import suggest

LADDER_STEP_PX = 256
"""Step of `256..2048`, as in the paper's figures."""

MAX_RESOLUTION_PX = 32768

_RANGE = re.compile(r"(?P<first>\d{1,9})(\.\.(?P<last>\d{1,9})(:(?P<factor>x?)(?P<step>\d{1,9}))?)?", re.ASCII)


def parse_axes(
    *,
    models: Iterable[str] | None = None,
    res: str | None = None,
    batch: str | None = None,
    mode: str | None = None,
    precision: str | None = None,
    execution: str | None = None,
) -> dict[str, Any]:
    """Parses the options that are given into fields of Axes. Raises ValueError, in one line, for a malformed one."""
    axes: dict[str, Any] = {}
    if models:
        axes["models"] = tuple(part for text in models for part in _parts(text, "--models"))
    if res is not None:
        axes["resolutions_px"] = parse_resolutions(res)
    if batch is not None:
        axes["batch_sizes"] = parse_counts(batch, "--batch")
    if mode is not None:
        axes["modes"] = parse_choices(mode, MODES, "--mode")
    if precision is not None:
        axes["precisions"] = parse_choices(precision, PRECISIONS, "--precision")
    if execution is not None:
        axes["executions"] = parse_choices(execution, EXECUTIONS, "--execution")
    return axes


def parse_resolutions(text: str) -> tuple[int, ...]:
    """Parses `256,1024`, `256..2048` (every 256), `256..2048:512`, `256..2048:x2` and mixtures to ascending px."""
    resolutions_px = {size for part in _parts(text, "--res") for size in _resolutions(part)}
    return tuple(sorted(resolutions_px))


def parse_counts(text: str, option: str) -> tuple[int, ...]:
    """Parses `1,8,64` to (1, 8, 64). Raises ValueError for anything but whole numbers from 1."""
    counts = []
    for part in _parts(text, option):
        if not re.fullmatch(r"\d{1,9}", part, re.ASCII) or int(part) < 1:
            raise ValueError(f"{option} takes whole numbers from 1, not {part!r}")
        counts.append(int(part))
    return tuple(dict.fromkeys(counts))


def parse_choices(text: str, choices: Iterable[str], option: str) -> tuple[Any, ...]:
    """Parses `forward,train` to ("forward", "train"). Raises ValueError, with the choices, for other names."""
    names = _parts(text, option)
    choices = tuple(choices)
    for name in names:
        if name not in choices:
            raise ValueError(f"{option} has no {suggest(name, choices)}")
    return tuple(dict.fromkeys(names))


def parse_choice(text: str, choices: Collection[str], option: str) -> str:
    """Parses one of the choices. Raises ValueError, with the choices, for several and for other names."""
    first, *others = parse_choices(text, choices, option)
    if others:
        raise ValueError(f"{option} takes one of {', '.join(choices)} here, not {text!r}")
    return str(first)


def _parts(text: str, option: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError(f"{option} {text!r} has an empty part")
    return parts


def _resolutions(part: str) -> Iterable[int]:
    found = _RANGE.fullmatch(part)
    if found is None:
        raise ValueError(f"--res takes 256, 256..2048, 256..2048:512 or 256..2048:x2, not {part!r}")
    first, last = int(found["first"]), int(found["last"] or found["first"])
    step = int(found["step"] or LADDER_STEP_PX)
    if last > MAX_RESOLUTION_PX:
        raise ValueError(f"--res takes at most {MAX_RESOLUTION_PX} px, not {last}")
    if not 0 < first <= last:
        raise ValueError(f"--res {part}: the first resolution must be positive and not above the last")
    if step < (2 if found["factor"] else 1):
        raise ValueError(f"--res {part} never ends: take a step from 1 px, or a factor from x2")
    return _powers(first, last, step) if found["factor"] else range(first, last + 1, step)


def _powers(first: int, last: int, factor: int) -> Iterator[int]:
    size = first
    while size <= last:
        yield size
        size *= factor
