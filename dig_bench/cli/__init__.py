"""The command line: parse, call, print. One file per command; `--help` lists them in the order imported here.

torch, pandas and matplotlib are imported by the commands that need them, when they run.
"""

from __future__ import annotations

import sys

import typer

# isort: off
from dig_bench.cli import sweep, report, compare, machine  # noqa: F401

# isort: on
from dig_bench.cli.app import INTERRUPTED, USAGE, app

# Typer ships its own copy of click or imports it, by version; this is click's UsageError in both.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def main() -> None:
    """Exits with one of the codes above; what the user can mend is one line on stderr."""
    try:
        sys.exit(app(prog_name="dig-bench", standalone_mode=False))
    except UsageError as error:
        sys.exit(_complain(error.format_message()))  # type: ignore[attr-defined]
    except ValueError as error:
        sys.exit(_complain(str(error)))
    except (KeyboardInterrupt, typer.Abort) as error:
        # Click turns the first into the second.
        words = str(error.__cause__ or error)
        print("dig-bench: interrupted" + (f": {words}" if words else ""), file=sys.stderr)
        sys.exit(INTERRUPTED)


def _complain(message: str) -> int:
    print("dig-bench:", " ".join(message.split()), file=sys.stderr)
    return USAGE
