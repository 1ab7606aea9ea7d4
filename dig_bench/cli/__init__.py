"""The command line: parse, call, print. One file per command; `--help` lists them in the order imported here.

torch, pandas and matplotlib are imported by the commands that need them, when they run.
"""

from __future__ import annotations

import sys

import typer

# isort: off
from dig_bench.cli import sweep, report, profile, roofs, flops, compare, calibrate, claims, reproduce  # noqa: F401
from dig_bench.cli import history, encode, train, sample, fid, parity, machine  # noqa: F401

# isort: on
from dig_bench.cli.app import INTERRUPTED, USAGE, StoppedError, app, warn

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
    except (StoppedError, KeyboardInterrupt) as error:
        sys.exit(_complain(f"interrupted: {error}" if str(error) else "interrupted", INTERRUPTED))


def _complain(message: str, code: int = USAGE) -> int:
    warn(message)
    return code
