"""Command line: parse, call, print. One file per command; `--help` lists them in the order of import.

Commands import torch, pandas and matplotlib when they run, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

try:
    import typer

    # isort: off
    from dig_bench.cli import sweep, report, profile, roofline, flops, compare, calibrate, claims, reproduce  # noqa: F401
    from dig_bench.cli import history, encode, train, sample, fid, parity, machine  # noqa: F401

    # isort: on
    from dig_bench.cli.app import FAILED, INTERRUPTED, USAGE, StoppedError, app, warn
except KeyboardInterrupt:
    # Ctrl-C during the imports: INTERRUPTED may not be defined yet.
    sys.exit(130)

# Typer imports click or ships its own copy, by version; this is the UsageError of either.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

PEER_LOST = ("closed by peer", "reset by peer")
"""Signs in the message of a RuntimeError that another process of a distributed run has ended."""


def main() -> None:
    """Runs the command line and exits. Errors that the user can fix are one line on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # An ASCII terminal shows question marks; an error here would lose a finished measurement.
        sys.stdout.reconfigure(errors="replace")
    try:
        code = app(prog_name="dig-bench", standalone_mode=False)
        # NCCL warns about processes that exit without this.
        if distributed := _distributed():
            distributed.destroy_process_group()
        sys.exit(code)
    except UsageError as error:
        sys.exit(_complain(error.format_message()))  # type: ignore[attr-defined]
    except ValueError as error:
        sys.exit(_complain(str(error)))
    except BrokenPipeError:
        # The reader has left, as `| head` does: make the flush at exit harmless.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as error:
        sys.exit(_complain(f"{error.filename}: {error.strerror}" if error.filename else str(error)))
    except RuntimeError as error:
        if not (_distributed() and any(sign in str(error) for sign in PEER_LOST)):
            raise
        sys.exit(_complain("another process of this run has ended; see its message", FAILED))
    except MemoryError as error:
        sys.exit(_complain(f"out of memory: {error}"))
    except (StoppedError, KeyboardInterrupt) as error:
        sys.exit(_complain(f"interrupted: {error}" if str(error) else "interrupted", INTERRUPTED))


def _distributed() -> Any:
    """Returns torch.distributed if torchrun or accelerate started this process, else None."""
    distributed = sys.modules.get("torch.distributed")
    is_initialized = distributed and distributed.is_available() and distributed.is_initialized()
    return distributed if is_initialized else None


def _complain(message: str, code: int = USAGE) -> int:
    warn(message)
    return code
