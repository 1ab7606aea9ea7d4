"""Checks of output folders before any work is done, and the lock on a folder that several processes share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dig_bench.files import lock


def check_folder(path: Path) -> None:
    """Raises ValueError if the path is not a folder, or cannot become one."""
    there = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
    if not there.is_dir():
        raise ValueError(f"{path}: {there} is a file, not a folder")
    if not os.access(there, os.W_OK):
        raise ValueError(f"{path}: {there} is not writable")


def check_utf8(path: Path) -> None:
    """Raises ValueError for a path that is not UTF-8, which safetensors and TensorBoard cannot write."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{path}: checkpoints and latents need a path in UTF-8: take another one") from None


def make_folder(path: Path) -> None:
    """Makes a folder and its parents. Raises ValueError if that fails."""
    check_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None


@contextmanager
def alone_in(folder: Path, state: Any) -> Iterator[None]:
    """Makes the folder and locks it against other runs while the block runs.

    `state` is accelerate's PartialState: the main process holds the lock until all processes leave the block. Raises
    ValueError or OSError, in all processes, if the folder cannot be made or another run holds it.
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
        # All processes raise the same error, so that none waits for another.
        broadcast_object_list(refusals)
        if refusals[0]:
            raise refusals[0]
        yield
        state.wait_for_everyone()
