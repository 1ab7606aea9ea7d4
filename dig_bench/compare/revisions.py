"""Compares two git revisions: measures both here and now, in turn on one device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from dig_bench.compare import calibration, worktree
from dig_bench.compare.comparison import Comparison
from dig_bench.compare.plan import Plan
from dig_bench.compare.settings import Settings
from dig_bench.compare.stored import read_comparison
from dig_bench.compare.versions import Version, VersionPair
from dig_bench.compare.worktree import Checkout
from dig_bench.machine import environment
from dig_bench.machine.device_lock import alone_on
from dig_bench.plan.sweep import Sweep, default_folder
from dig_bench.run.progress import say_on
from dig_bench.run.source import Source


@dataclass(frozen=True, kw_only=True)
class Revisions:
    """The two sides, as the user names them, and the folder of their results."""

    base: str
    """Branch, tag or any other name of a commit."""
    candidate: str | None = None
    """None stands for the working tree."""
    folder: Path | None = None
    """None stands for a folder named after the sweep and both sides."""
    resume: bool = True
    """True to resume an earlier comparison in the folder."""


def run(
    revisions: Revisions,
    sweep: Sweep,
    settings: Settings,
    plan: Callable[[Settings], Plan],
    *,
    wait_s: float | None = None,
    console: Console,
    quiet: bool,
) -> tuple[Path, Comparison]:
    """Measures both revisions and compares them. Returns the folder of the results, too.

    Fills the folder with the results `base` and `candidate`, and if there are suspects with `confirmation/base` and
    `confirmation/candidate`. The sweep's process numbers are ignored. Settings without a calibration use the machine's,
    if there is one, and are then passed to `plan`.

    Raises ValueError for names that are no revision and for code that cannot be measured; DeviceLockError and
    StoreError like orchestrate.run.
    """
    repository = worktree.repository()
    machine = environment.describe(sweep.device)
    settings = replace(settings, calibration=settings.calibration or calibration.find(machine))
    planned = plan(settings)
    with (
        worktree.revision(revisions.base, repository) as before,
        worktree.checkout(revisions.candidate, repository) as after,
    ):
        base, candidate = (_version(checkout, sweep, repository) for checkout in (before, after))
        swept = default_folder(sweep, machine)
        folder = revisions.folder or swept.with_name(f"compare-{swept.name}") / f"{before.label}..{after.label}"
        say = partial(say_on, console, quiet)
        if before.digest == after.digest:
            say(f"{before.name} and {after.name} are the same code: any difference is noise")
        with (
            alone_on(sweep.device, wait_s=wait_s, say=say),
            VersionPair(
                (base, candidate), sweep, folder, resume=revisions.resume, console=console, quiet=quiet
            ) as pair,
        ):
            pair.prime()
            pair.decide(settings, planned)
    return folder, read_comparison(folder, settings, titles=(base.title, candidate.title))


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
