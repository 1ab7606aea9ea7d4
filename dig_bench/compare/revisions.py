"""Compares two revisions of the code: both are measured here and now, process by process in turn on one device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from dig_bench.cell import Cell, Key, Row
from dig_bench.compare import calibration, worktree
from dig_bench.compare.comparison import Comparison, compare
from dig_bench.compare.evidence import read_evidence
from dig_bench.compare.interleave import CONFIRMATION, Outcome, Plan, Side, StoredPair, decide_in_turn
from dig_bench.compare.settings import Settings
from dig_bench.compare.worktree import Checkout
from dig_bench.machine import environment
from dig_bench.machine.device_lock import alone_on
from dig_bench.plan.estimate import cell_seconds
from dig_bench.plan.sweep import Sweep, default_folder
from dig_bench.protocol import Protocol
from dig_bench.results.store import ROWS
from dig_bench.run.interrupt import Interrupt
from dig_bench.run.progress import Quiet, TimeLeft, choose_display
from dig_bench.run.source import HERE, Source
from dig_bench.run.workers import measure

PRIMING = "priming"
"""The folder of one short process of each side before the others: it fills the caches of compilers on the disk, which
would make the first call of whoever comes first slower."""

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
    source: Source
    plugins: tuple[str, ...]
    identity: Mapping[str, Any]
    """What tells it from others, for the manifest: a folder is gone on with only where it is the same."""
    about: Mapping[str, Any]
    """Of its manifest's environment: version and git revision."""


def run(
    base: str,
    candidate: str | None,
    sweep: Sweep,
    settings: Settings,
    plan: Callable[[Settings], Plan],
    *,
    folder: Path | None,
    resume: bool,
    quiet: bool,
    console: Console,
    wait_s: float | None = None,
) -> tuple[Path, Comparison]:
    """Compares git revisions; without `candidate`, the working tree with the base. Cells of processes are not repeated.

    Fills `folder` (None is one named after the sweep and both sides) with the folders of results `base`, `candidate`
    and where it was needed `confirmation/base` and `confirmation/candidate`. Without a calibration in the settings, the
    machine's is used, where there is one; `plan` is asked with it. ValueError for what is no revision or cannot be
    measured; DeviceLockError and StoreError as of orchestrate.run.
    """
    repository = worktree.repository()
    machine = environment.describe(sweep.device)
    settings = replace(settings, calibration=settings.calibration or calibration.find(machine))
    planned = plan(settings)
    with (
        worktree.revision(base, repository) as before,
        worktree.revision(candidate, repository) if candidate else worktree.working_tree(repository) as after,
    ):
        versions = [_version(checkout, sweep, repository) for checkout in (before, after)]
        swept = default_folder(sweep, machine)
        folder = folder or swept.with_name(f"compare-{swept.name}") / f"{before.label}..{after.label}"
        say = partial(_say, console, quiet)
        if before.digest == after.digest:
            say(f"{before.name} and {after.name} are the same code: whatever differs is noise")
        with alone_on(sweep.device, wait_s=wait_s, say=say):
            comparison = compare_versions(
                versions, sweep, settings, planned, folder=folder, resume=resume, quiet=quiet, console=console
            )
    return folder, comparison


def compare_versions(
    versions: Sequence[Version],
    sweep: Sweep,
    settings: Settings,
    plan: Plan,
    *,
    folder: Path,
    resume: bool,
    quiet: bool,
    console: Console,
    prime: bool = True,
) -> Comparison:
    """Measures base and candidate, which is the order of `versions`, and compares them. See `run`.

    Without `prime`, somebody else has filled the caches of compilers.
    """
    keys = list(dict.fromkeys(cell.without("process") for cell in sweep.cells))
    machine = environment.describe(sweep.device)
    time_left = TimeLeft({})
    with ExitStack() as stack:
        interrupt = stack.enter_context(Interrupt())
        display = stack.enter_context(choose_display(console, time_left, quiet=quiet))
        display.note(f"{folder}: {versions[0].title} and {versions[1].title} in turn, {len(keys)} cells each")

        def pair(below: str, protocol: Protocol) -> StoredPair:
            of = replace(sweep, protocol=protocol, cells=tuple(replace(key, process=1) for key in keys))
            progress = _Progress(display, time_left, protocol, below)
            base, candidate = (
                _side(name, version, of, machine, display, interrupt)
                for name, version in zip(("base", "candidate"), versions, strict=True)
            )
            return stack.enter_context(StoredPair(folder / below, (base, candidate), progress, resume=resume))

        try:
            if prime and any(_compiles(key) for key in keys):
                pair(PRIMING, replace(sweep.protocol, **PRIMING_PROTOCOL)).process(list(filter(_compiles, keys)), 1)
            decide_in_turn(
                keys,
                settings,
                plan,
                first=pair("", sweep.protocol),
                fresh=lambda: pair(CONFIRMATION, sweep.protocol),
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{folder} has what was measured, the same command goes on") from None
    return read_comparison(folder, settings, titles=[version.title for version in versions])


def read_comparison(folder: Path, settings: Settings, *, titles: Sequence[str] = ("base", "candidate")) -> Comparison:
    """Of the folders that `compare_versions` filled. StoreError for a missing or broken one."""

    def read(below: Path) -> Comparison:
        base, candidate = (
            replace(read_evidence(below / name), source=title)
            for name, title in zip(("base", "candidate"), titles, strict=True)
        )
        return compare(base, candidate, settings)

    first = read(folder)
    return first.confirmed_by(read(folder / CONFIRMATION)) if first.suspects else first


def written(folder: Path) -> list[Path]:
    """The folders of results of a comparison."""
    places = (folder / below / name for below in ("", CONFIRMATION) for name in ("base", "candidate"))
    return [place for place in places if (place / ROWS).exists()]


def _version(checkout: Checkout, sweep: Sweep, repository: Path) -> Version:
    plugins = tuple(checkout.own(plugin, repository) for plugin in sweep.plugins)
    source = Source.ask(checkout.root, name=checkout.name, plugins=plugins)
    source.check(sweep.protocol)
    return Version(
        title=checkout.title,
        source=source,
        plugins=plugins,
        identity={"code": checkout.digest[:16]},
        about={
            "dig_bench": source.version,
            "git_revision": checkout.revision,
            "git_dirty": checkout.dirty,
        },
    )


def here(title: str, *, plugins: Sequence[str]) -> Version:
    """The running code, with plugins of its own."""
    return Version(title=title, source=HERE, plugins=tuple(plugins), identity={}, about={})


def _side(
    name: str,
    version: Version,
    sweep: Sweep,
    machine: Mapping[str, Any],
    display: Quiet,
    interrupt: Interrupt,
) -> Side:
    observer = _OfSide(display, name)

    def measure_side(cells: Sequence[Cell]) -> Iterator[Outcome]:
        return measure(
            cells,
            protocol=sweep.protocol,
            plugins=version.plugins,
            observer=observer,
            source=version.source,
            interrupt=interrupt,
        )

    return Side(
        name=name,
        title=version.title,
        # How often the cells are launched is found out, not given.
        spec={**replace(sweep, plugins=version.plugins).spec(), "process": "in turn", **version.identity},
        environment={**machine, **version.about},
        measure=measure_side,
    )


def _compiles(key: Key) -> bool:
    """Whether its first call may leave something on the disk that makes the next one faster."""
    return key.device == "cuda" or key.execution == "compile"


def _say(console: Console, quiet: bool, text: str) -> None:
    if not quiet:
        console.print(text, soft_wrap=True, markup=False, highlight=False)


@dataclass(frozen=True)
class _OfSide:
    """A display that is told which side a cell is of."""

    display: Quiet
    name: str

    def started(self, cell: Cell) -> None:
        self.phase(cell, "starting")

    def phase(self, cell: Cell, text: str) -> None:
        self.display.phase(cell, f"{self.name}: {text}")


@dataclass(frozen=True)
class _Progress:
    display: Quiet
    time_left: TimeLeft
    protocol: Protocol
    stage: str

    def planned(self, jobs: Sequence[tuple[str, Cell]]) -> None:
        self.time_left.plan({(self._label(side), cell): cell_seconds(cell, self.protocol) for side, cell in jobs})

    def finished(self, side: str, row: Row) -> None:
        self.display.finished(row, self._label(side))

    def _label(self, side: str) -> str:
        return f"{self.stage} {side}".strip()
