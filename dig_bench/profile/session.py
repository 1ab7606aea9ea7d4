"""Profiles a list of cells, each in a process of its own, and keeps what it finds in a folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from dig_bench.cell import WRONG, Cell, Status
from dig_bench.machine import devices, environment
from dig_bench.machine.device_lock import alone_on
from dig_bench.plan.sweep import Sweep
from dig_bench.profile import folder as folders
from dig_bench.profile.apart import TaskError, apart
from dig_bench.profile.folder import Contents
from dig_bench.profile.output import page, terminal
from dig_bench.profile.record import Profile
from dig_bench.profile.task import Task


@dataclass(frozen=True, kw_only=True)
class Exports:
    """Beside the profile itself; see Task."""

    trace: bool = False
    snapshot: bool = False
    nvtx: bool = False

    @property
    def any(self) -> bool:
        return self.trace or self.snapshot or self.nvtx


@dataclass(kw_only=True)
class Found:
    """What a session has so far."""

    folder: Path
    profiles: list[Profile] = field(default_factory=list)
    failures: list[tuple[Cell, Status, str]] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)

    @property
    def any_failed(self) -> bool:
        return any(status in WRONG for _, status, _ in self.failures)

    def write(self, reports: Path, name: str, *, say: Callable[[str], None]) -> list[Path]:
        """Tables of all that the folder holds, and a page of what was asked for, with its figures. Returns all that was
        written."""
        tables = folders.write_tables(self.folder, folders.read_all(self.folder, say=say))
        asked_for = Contents(profiles=self.profiles, failures=self.failures)
        return [*self.paths, *tables, *page.write(reports, name, asked_for)]


def run(
    sweep: Sweep,
    out: Path | None,
    *,
    exports: Exports,
    resume: bool,
    wait_s: float | None,
    quiet: bool,
    console: Console,
) -> Found:
    """Holds the device meanwhile. With `resume` a profile of this machine and revision is kept, unless it has to be
    taken again for an export. KeyboardInterrupt says how far it came."""
    if any(cell.mode == "sample" for cell in sweep.cells):
        raise ValueError("profile takes --mode forward and train: sampling is the forward pass, over and over")
    devices.require(sweep.device)
    machine = environment.describe(sweep.device)
    found = Found(folder=out or default_folder(sweep))
    _check_writable(found.folder)

    def say(text: str) -> None:
        if not quiet:
            console.print(text, soft_wrap=True, markup=False, highlight=False)

    with alone_on(sweep.device, wait_s=wait_s, say=say):
        for index, cell in enumerate(sweep.cells, 1):
            kept = folders.find(found.folder, cell) if resume and not exports.any else None
            if kept is not None and folders.is_of(kept, machine):
                found.profiles.append(kept)
                say(f"[{index}/{len(sweep.cells)}] {cell}  is there already")
                continue
            try:
                _take(cell, sweep, exports, found, console, f"[{index}/{len(sweep.cells)}] {cell}", quiet=quiet)
            except TaskError as error:
                found.failures.append((cell, error.status, str(error)))
                # Never over a profile, of an earlier revision say.
                if not exports.nvtx and folders.find(found.folder, cell) is None:
                    folders.write_failure(found.folder, cell, error.status, str(error))
                say(f"[{index}/{len(sweep.cells)}] {cell}  {error.status}: {error}")
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    f"{found.folder} has {len(found.profiles)} of {len(sweep.cells)} profiles, the same command goes on"
                ) from None
    if not quiet and found.profiles:
        console.print(terminal.render(found.profiles))
    return found


def default_folder(sweep: Sweep) -> Path:
    """`results/h100-80gb-hbm3/profile`."""
    return Path("results") / environment.machine_name(environment.describe(sweep.device)) / "profile"


def page_name(sweep: Sweep) -> str:
    """`profile-dig-xl-2`: of the first model."""
    return f"profile-{sweep.cells[0].model.lower().replace('/', '-')}"


def _take(
    cell: Cell, sweep: Sweep, exports: Exports, found: Found, console: Console, label: str, *, quiet: bool
) -> None:
    task = Task(
        cell=cell,
        protocol=sweep.protocol,
        plugins=sweep.plugins,
        folder=found.folder,
        trace=exports.trace,
        snapshot=exports.snapshot,
        nvtx=exports.nvtx,
    )
    is_shown = not quiet and console.is_interactive
    with console.status(label) if is_shown else nullcontext() as status:

        def phase(text: str) -> None:
            if status is not None:
                status.update(f"{label}  {text}")

        found.paths += apart(task, say=phase, timeout_s=sweep.protocol.timeout_s)
    if exports.nvtx:
        return
    profile = folders.find(found.folder, cell)
    assert profile is not None
    found.profiles.append(profile)
    if not quiet:
        console.print(f"{label}  {profile.device_ms:.4g} ms on {profile.where}", soft_wrap=True, markup=False)


def _check_writable(folder: Path) -> None:
    """ValueError before any work is done for a folder that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"{folder}: {error.strerror or error}") from error
