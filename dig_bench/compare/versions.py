"""Measures two versions of the code in turn, into folders of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console

from dig_bench.cell import Cell, Key
from dig_bench.compare.plan import Plan
from dig_bench.compare.sequential import decide_in_turn
from dig_bench.compare.settings import Settings
from dig_bench.compare.side_progress import PairProgress, SideObserver
from dig_bench.compare.stored import CONFIRMATION, SIDES
from dig_bench.compare.stored_pair import Outcome, Side, StoredPair
from dig_bench.machine import environment
from dig_bench.plan.sweep import Sweep
from dig_bench.protocol import Protocol
from dig_bench.run.interrupt import Interrupt
from dig_bench.run.progress import TimeLeft, choose_display
from dig_bench.run.source import Source
from dig_bench.run.workers import measure

PRIMING = "priming"
"""Folder of the first process of each side, which fills the compilers' caches on the disk. Without it, the first call
of whichever side comes first would be slower."""

PRIMING_PROTOCOL: dict[str, Any] = {
    "warmup_seconds": 0.0,
    "min_samples": 1,
    "max_samples": 1,
    "min_seconds": 0.0,
    "memory": False,
    "energy_seconds": 0.0,
}


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of the code to be measured."""

    title: str
    """Name that the user gave it."""
    source: Source
    plugins: tuple[str, ...] = ()
    identity: Mapping[str, Any]
    """Identifies the version in the manifest: a folder is resumed only if this is the same."""
    about: Mapping[str, Any]
    """Version and git revision, for the manifest's environment."""


class VersionPair:
    """Base and candidate, measured in turn into folders below one folder. Shows its progress on the console."""

    def __init__(
        self,
        versions: tuple[Version, Version],
        sweep: Sweep,
        folder: Path,
        *,
        resume: bool,
        console: Console,
        quiet: bool,
    ) -> None:
        self._versions = versions
        self._sweep = sweep
        self._folder = folder
        self._resume = resume
        self._keys = list(dict.fromkeys(cell.without("process") for cell in sweep.cells))
        self._machine = environment.describe(sweep.device)
        self._time_left = TimeLeft({})
        self._display = choose_display(console, self._time_left, quiet=quiet)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._interrupt = stack.enter_context(Interrupt())
            stack.enter_context(self._display)
            self._stack = stack.pop_all()
        base, candidate = self._versions
        self._display.note(f"{self._folder}: {base.title} and {candidate.title} in turn, cells: {len(self._keys)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(f"{self._folder} is incomplete: run the same command again to resume") from None

    def prime(self) -> None:
        """Fills the compilers' caches, for the cells that compile: each side measures them once, briefly."""
        if keys := [key for key in self._keys if _compiles(key)]:
            self._pair(PRIMING, replace(self._sweep.protocol, **PRIMING_PROTOCOL)).measure(keys, 1)

    def decide(self, settings: Settings, plan: Plan) -> None:
        """Measures every cell until it is decided or reaches the plan's limit, and confirms the suspects."""
        decide_in_turn(
            self._keys,
            settings,
            plan,
            first=self._pair("", self._sweep.protocol),
            fresh=lambda: self._pair(CONFIRMATION, self._sweep.protocol),
        )

    def _pair(self, below: str, protocol: Protocol) -> StoredPair:
        cells = tuple(key.as_cell(process=1) for key in self._keys)
        sweep = replace(self._sweep, protocol=protocol, cells=cells)
        sides = zip(SIDES, self._versions, strict=True)
        base, candidate = (self._side(name, version, sweep) for name, version in sides)
        progress = PairProgress(display=self._display, time_left=self._time_left, protocol=protocol, stage=below)
        pair = StoredPair(self._folder / below, (base, candidate), progress, resume=self._resume)
        return self._stack.enter_context(pair)

    def _side(self, name: str, version: Version, sweep: Sweep) -> Side:
        observer = SideObserver(display=self._display, name=name)

        def measure_side(cells: Sequence[Cell]) -> Iterator[Outcome]:
            return measure(
                cells,
                protocol=sweep.protocol,
                plugins=version.plugins,
                observer=observer,
                source=version.source,
                interrupt=self._interrupt,
            )

        return Side(
            name=name,
            title=version.title,
            # The number of processes is a result, not a setting.
            spec={**replace(sweep, plugins=version.plugins).spec(), "process": "in turn", **version.identity},
            environment={**self._machine, **version.about},
            measure=measure_side,
        )


def _compiles(key: Key) -> bool:
    """Returns true if the first call may leave something on the disk that makes the next one faster."""
    return key.device == "cuda" or key.is_compiled
