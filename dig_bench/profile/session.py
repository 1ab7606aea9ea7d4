"""Profiles a list of cells, each in a worker process of its own, and keeps the profiles in a folder."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.status import Status

from dig_bench.cell import WRONG, Cell
from dig_bench.machine import devices, environment
from dig_bench.machine.device_lock import alone_on
from dig_bench.plan.sweep import Sweep
from dig_bench.profile import folder as folders
from dig_bench.profile.folder import Failure
from dig_bench.profile.record import Profile
from dig_bench.run.progress import say_on
from dig_bench.run.task import Say, TaskError
from dig_bench.run.worker_process import run_once

TAKE, RUN_UNDER_NVTX = "dig_bench.profile.task:take_and_write", "dig_bench.profile.task:run_under_nvtx"


@dataclass(frozen=True, kw_only=True)
class Exports:
    """Files for other tools, beside the profile."""

    trace: bool = False
    """Write a Chrome trace."""
    snapshot: bool = False
    """Write PyTorch's memory snapshot."""
    nvtx: bool = False
    """Only run under NVTX ranges, for Nsight Systems; write nothing."""

    @property
    def any(self) -> bool:
        return self.trace or self.snapshot or self.nvtx


@dataclass(kw_only=True)
class Found:
    """Results of a session."""

    folder: Path
    profiles: list[Profile] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    """Files that were written."""

    @property
    def any_failed(self) -> bool:
        """True when a cell crashed, timed out or disagreed with its reference."""
        return any(each.status in WRONG for each in self.failures)


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
    """Profiles the sweep's cells. Locks the device meanwhile.

    With `resume`, profiles of this machine and revision are kept, unless there is something to export. Raises
    KeyboardInterrupt with the number of profiles taken.
    """
    if any(cell.mode == "sample" for cell in sweep.cells):
        raise ValueError("profile takes --mode forward and train: sampling repeats the forward pass")
    devices.require(sweep.device)
    machine = environment.describe(sweep.device)
    found = Found(folder=out or default_folder(sweep))
    _check_writable(found.folder)
    say = partial(say_on, console, quiet)
    with alone_on(sweep.device, wait_s=wait_s, say=say):
        for index, cell in enumerate(sweep.cells, 1):
            label = f"[{index}/{len(sweep.cells)}] {cell}"
            kept = folders.find(found.folder, cell) if resume and not exports.any else None
            if kept is not None and folders.is_of(kept, machine):
                found.profiles.append(kept)
                say(f"{label}  already profiled")
                continue
            try:
                with console.status(label) if console.is_interactive and not quiet else nullcontext() as status:
                    show = partial(_show, status, label)
                    profile = _profile(cell, sweep, exports, found, show)
            except TaskError as error:
                _record(Failure(cell=cell, status=error.status, detail=str(error)), found, exports)
                say(f"{label}  {error.status}: {error}")
            except KeyboardInterrupt:
                done = f"{len(found.profiles)} of {len(sweep.cells)} profiles"
                raise KeyboardInterrupt(f"{found.folder} has {done}; run the same command again to resume") from None
            else:
                if profile is not None:
                    say(f"{label}  {profile.device_ms:.4g} ms on {profile.where}")
    return found


def default_folder(sweep: Sweep) -> Path:
    """Returns `results/h100-80gb-hbm3/profile`."""
    return Path("results") / environment.machine_name(environment.describe(sweep.device)) / "profile"


def page_name(sweep: Sweep) -> str:
    """Returns `profile-dig-xl-2`, after the first model."""
    return f"profile-{sweep.cells[0].model.lower().replace('/', '-')}"


def _profile(cell: Cell, sweep: Sweep, exports: Exports, found: Found, say: Say) -> Profile | None:
    """Adds the cell's profile and files to `found`; returns the profile, None under NVTX."""
    request: dict[str, Any] = {
        "cell": cell.as_dict(),
        "protocol": asdict(sweep.protocol),
        "plugins": list(map(str, sweep.plugins)),
    }
    if exports.nvtx:
        run_once(RUN_UNDER_NVTX, request, timeout_s=sweep.protocol.timeout_s, say=say)
        return None
    request |= {"out": str(found.folder), "trace": exports.trace, "snapshot": exports.snapshot}
    found.paths += map(Path, run_once(TAKE, request, timeout_s=sweep.protocol.timeout_s, say=say))
    profile = folders.find(found.folder, cell)
    assert profile is not None
    found.profiles.append(profile)
    return profile


def _show(status: Status | None, label: str, phase: str) -> None:
    if status is not None:
        status.update(f"{label}  {phase}")


def _record(failure: Failure, found: Found, exports: Exports) -> None:
    found.failures.append(failure)
    # A profile of an earlier revision stays.
    if not exports.nvtx and folders.find(found.folder, failure.cell) is None:
        folders.write(found.folder, failure)


def _check_writable(folder: Path) -> None:
    """Raises ValueError, before any work is done, for a folder that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"{folder}: {error.strerror or error}") from error
