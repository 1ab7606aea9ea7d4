"""Display of a training: a progress bar or lines on the terminal, scalars and image grids in TensorBoard."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from torch.utils.tensorboard import SummaryWriter

from dig_bench.train.progress import Progress

LINE_EVERY_S = 10
"""Seconds between two lines where no bar can be drawn: in a log, on a dumb terminal."""

SMOOTHING = 0.9
"""Weight of the previous value in the displayed loss: single losses vary mostly with their timesteps."""


class Watch:
    """Shows the reports of a training."""

    def __init__(self, console: Console, bar: Bar, task: Any, writer: SummaryWriter) -> None:
        self._console, self._bar, self._task, self._writer = console, bar, task, writer
        self._loss: float | None = None
        self._last_line_s = float("-inf")

    def show(self, progress: Progress) -> None:
        """Writes the scalars, and updates the bar or prints a line every LINE_EVERY_S."""
        first = progress.step - len(progress.losses) + 1
        for step, loss in enumerate(progress.losses, start=first):
            self._loss = loss if self._loss is None else SMOOTHING * self._loss + (1 - SMOOTHING) * loss
            self._writer.add_scalar("loss", loss, step)
        memory = memory_mib()
        self._writer.add_scalar("gradient norm", progress.gradient_norm, progress.step)
        self._writer.add_scalar("images per s", progress.images_per_s, progress.step)
        self._writer.add_scalar("memory MiB", memory, progress.step)
        if progress.saved:
            # A run that resumes from the checkpoint does not write these steps again.
            self._writer.flush()
        text = f"loss {self._loss:.4f}  {progress.images_per_s:.3g} images/s  {memory:.0f} MiB"
        self._bar.update(self._task, completed=progress.step, text=text)
        total = self._bar.tasks[self._task].total or 0
        is_due = monotonic() - self._last_line_s >= LINE_EVERY_S or progress.step >= total
        if is_due and not self._console.is_interactive:
            self._last_line_s = monotonic()
            self._console.print(f"step {progress.step}/{total:.0f}  {text}", highlight=False)

    def show_images(self, sheet_HWC: NDArray[np.uint8], step: int) -> None:
        """Writes a grid of generated images."""
        self._writer.add_image("images", sheet_HWC, step, dataformats="HWC")
        self._writer.flush()


@contextmanager
def watching(console: Console, folder: Path, *, step: int, steps: int, is_main: bool) -> Iterator[Watch | None]:
    """Opens the display, with TensorBoard's files in `folder`. Yields None in all processes but the main one.

    Scalars that a killed run wrote after `step` are purged.
    """
    if not is_main:
        yield None
        return
    columns = [BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn()]
    bar = Bar(*columns, console=console, transient=True, disable=not console.is_interactive)
    writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
    try:
        with bar:
            yield Watch(console, bar, bar.add_task("", total=steps, completed=step, text=""), writer)
    finally:
        writer.close()


def memory_mib() -> float:
    """Returns the peak memory so far: allocated on the GPU, or else the resident set of the process."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
