"""Application of the command line: exit codes, the console, and the options that most commands share."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from typer.core import TyperGroup

from dig_bench import __version__
from dig_bench.cli import complete

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class StoppedError(Exception):
    """Ctrl-C, with a message about what was stopped."""


class Commands(TyperGroup):
    """Keeps the message of a KeyboardInterrupt, which typer drops. Keeps Python types out of the help."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command: Any = super().get_command(ctx, cmd_name)
        for each in command.get_params(ctx) if command else ():
            # Typer shows <path> beside an argument and <bool> beside a flag, which takes no value.
            if each.param_type_name == "argument" or each.is_flag:
                each.display_type_rich = lambda ctx: ""
        return command

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

# An option whose metavar is its own name is spelt out everywhere: typer 0.27 drops it otherwise.
DeviceOption = Annotated[
    str,
    typer.Option("--device", metavar="DEVICE", autocompletion=complete.devices, help="auto, cpu, cuda or cuda:N"),
]
PluginOption = Annotated[
    list[str] | None, typer.Option(metavar="FILE.py", help="file with your own backbones; repeatable")
]
WaitOption = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="wait this long for a GPU that another run benchmarks; the default is to fail (on a CPU: to warn)",
    ),
]


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version and exit", is_eager=True)] = False,
) -> None:
    """Benchmark diffusion backbones: how fast are DiG, DiT and DiS, how much memory do they need, and why?

    \b
    dig-bench sweep                     benchmark what suits this machine, in minutes
    dig-bench sweep --res 256..2048     the same over the paper's resolutions
    dig-bench report RESULTS            turn the results into one HTML page
    dig-bench doctor                    check what this machine can measure
    """
    if version:
        print(f"dig-bench {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def console() -> Console:
    """Returns the console for stdout. Without a terminal its lines are 200 columns wide, so that logs do not wrap."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def warn(message: str) -> None:
    """Prints one line to stderr; stdout is for results."""
    print("dig-bench:", " ".join(message.split()), file=sys.stderr)


def needs(*packages: str, what: str) -> None:
    """Raises ValueError, before any work is done, if packages of the extra `train` are not installed."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise ValueError(f"{what} needs {', '.join(missing)}: pip install 'dig-bench[train]'")


def bar(console: Console) -> Progress:
    """Returns a progress bar that is only shown on a terminal, and removed when it is complete."""
    return Progress(console=console, transient=True, disable=not console.is_interactive)
