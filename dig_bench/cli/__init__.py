"""The command line: parse, call, print. One file per command; `--help` lists them in the order imported here.

torch, pandas and matplotlib are imported by the commands that need them, when they run.
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
    # Ctrl-C before `main` listens: nothing has begun. INTERRUPTED may not be there yet.
    sys.exit(130)

# Typer ships its own copy of click or imports it, by version; this is click's UsageError in both.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


LOST = ("closed by peer", "reset by peer")
"""What a process says when another one of its launch has ended."""


def main() -> None:
    """Exits with one of the codes above; what the user can mend is one line on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # An ASCII terminal gets question marks, and no error when all is measured.
        sys.stdout.reconfigure(errors="replace")
    try:
        code = app(prog_name="dig-bench", standalone_mode=False)
        # NCCL complains of who ends without a word.
        if several := _launch_of_several():
            several.destroy_process_group()
        sys.exit(code)
    except UsageError as error:
        sys.exit(_complain(error.format_message()))  # type: ignore[attr-defined]
    except ValueError as error:
        sys.exit(_complain(str(error)))
    except BrokenPipeError:
        # Who reads has left, as `| head` does: nothing is to be flushed to it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as error:
        sys.exit(_complain(f"{error.filename}: {error.strerror}" if error.filename else str(error)))
    except RuntimeError as error:
        if not (_launch_of_several() and any(sign in str(error) for sign in LOST)):
            raise
        sys.exit(_complain("another process of this launch has ended, and says why", FAILED))
    except MemoryError as error:
        sys.exit(_complain(f"out of memory: {error}"))
    except (StoppedError, KeyboardInterrupt) as error:
        sys.exit(_complain(f"interrupted: {error}" if str(error) else "interrupted", INTERRUPTED))


def _launch_of_several() -> Any:
    """torch.distributed, where torchrun or accelerate has started this process beside others; else None."""
    distributed = sys.modules.get("torch.distributed")
    is_one = distributed and distributed.is_available() and distributed.is_initialized()
    return distributed if is_one else None


def _complain(message: str, code: int = USAGE) -> int:
    warn(message)
    return code
