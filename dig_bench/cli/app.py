"""What the commands share: the application, its exit codes, and the options that several of them take."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from typer.core import TyperGroup

from dig_bench import __version__
from dig_bench.files import lock

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class StoppedError(Exception):
    """Ctrl-C, with what there is to say of what was stopped."""


class Commands(TyperGroup):
    """Typer turns Ctrl-C into a bare exit code, or into something else, by version: here it keeps its words."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise StoppedError(str(error)) from error


app = typer.Typer(
    name="dig-bench",
    cls=Commands,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Spelt out, here and where else a metavar is the option's name: typer 0.27 drops those.
DeviceOption = Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N")]
PluginOption = Annotated[
    list[str] | None, typer.Option(metavar="FILE.py", help="a file with backbones of your own; repeatable")
]

WaitOption = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="wait so long for a GPU that another run measures on; without it such a GPU is refused, on a CPU it warns",
    ),
]


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version and leave", is_eager=True)] = False,
) -> None:
    """How efficient is a diffusion backbone, and why: DiG, DiT and DiS behind one interface, measured.

    \b
    dig-bench sweep                     what suits this machine, in minutes
    dig-bench sweep --res 256..2048     the same over the paper's resolutions
    dig-bench report RESULTS            one HTML page of it
    dig-bench doctor                    what this machine can measure
    """
    if version:
        print(f"dig-bench {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def console() -> Console:
    console = Console()
    # Off a terminal a line is as long as it needs to be: no log should be wrapped at 80 columns.
    return console if console.is_terminal else Console(width=200)


def warn(message: str) -> None:
    """One line on stderr, which leaves stdout to what was asked for."""
    print("dig-bench:", " ".join(message.split()), file=sys.stderr)


def needs(*packages: str, what: str) -> None:
    """ValueError, before any work is done, for packages that the extra `train` brings and that are not there."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise ValueError(f"{what} needs {', '.join(missing)}: pip install 'dig-bench[train]'")


def check_folder(path: Path) -> None:
    """ValueError, before any work is done, for a folder that is none or cannot be made."""
    there = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
    if not there.is_dir():
        raise ValueError(f"{path}: {there} is a file, not a folder")
    if not os.access(there, os.W_OK):
        raise ValueError(f"{path}: nothing can be written in {there}")


def check_utf8(path: Path) -> None:
    """ValueError, before any work is done, for bytes in a path that safetensors and TensorBoard cannot write to."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{path}: this path is not UTF-8, as checkpoints and latents need it: take another") from None


def make_folder(path: Path) -> None:
    """ValueError when there can be none."""
    check_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None


@contextmanager
def alone_in(folder: Path, state: Any) -> Iterator[None]:
    """Makes the folder, and keeps other runs out of it while the block runs. ValueError or OSError when there can
    be none, or when one is writing there.

    `state` is accelerate's of the processes: the first one holds the lock, while any of them is in the block.
    """
    from accelerate.utils import broadcast_object_list

    refusals: list[Exception | None] = [None]
    with ExitStack() as held:
        if state.is_main_process:
            try:
                check_folder(folder)
                held.enter_context(lock.alone_in(folder))
            except (ValueError, OSError) as error:
                refusals = [error]
        # All end with the same words, and none waits for one that has ended.
        broadcast_object_list(refusals)
        if refusals[0]:
            raise refusals[0]
        yield
        state.wait_for_everyone()


def bar(console: Console) -> Progress:
    """A progress bar, on a terminal that can redraw it only, gone when it is full."""
    return Progress(console=console, transient=True, disable=not console.is_interactive)
