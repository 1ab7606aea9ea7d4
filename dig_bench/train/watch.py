"""What one sees of a training: a bar where it can be redrawn, else lines; scalars and sample grids in TensorBoard."""

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
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from dig_bench.train.loop import Progress as Report

LINE_EVERY_S = 10
"""Between two lines where there is no bar: in a log, on a dumb terminal."""

SMOOTHING = 0.9
"""Share of the last loss shown in the next: single steps differ by their timesteps above all."""


class Watch:
    """Watch(...).show(report) after every report."""

    def __init__(self, console: Console, bar: Progress, task: Any, writer: SummaryWriter) -> None:
        self._console, self._bar, self._task, self._writer = console, bar, task, writer
        self._loss: float | None = None
        self._last_line_s = float("-inf")

    def show(self, report: Report) -> None:
        first = report.step - len(report.losses) + 1
        for step, loss in enumerate(report.losses, start=first):
            self._loss = loss if self._loss is None else SMOOTHING * self._loss + (1 - SMOOTHING) * loss
            self._writer.add_scalar("loss", loss, step)
        memory = memory_mib()
        self._writer.add_scalar("gradient norm", report.gradient_norm, report.step)
        self._writer.add_scalar("images per s", report.images_per_s, report.step)
        self._writer.add_scalar("memory MiB", memory, report.step)
        if report.saved:
            # A run that goes on from the checkpoint does not write its steps again.
            self._writer.flush()
        text = f"loss {self._loss:.4f}  {report.images_per_s:.3g} images/s  {memory:.0f} MiB"
        self._bar.update(self._task, completed=report.step, text=text)
        total = self._bar.tasks[self._task].total or 0
        is_due = monotonic() - self._last_line_s >= LINE_EVERY_S or report.step >= total
        if is_due and not self._console.is_interactive:
            self._last_line_s = monotonic()
            self._console.print(f"step {report.step}/{total:.0f}  {text}", highlight=False)

    def show_images(self, sheet_HWC: NDArray[np.uint8], step: int) -> None:
        self._writer.add_image("samples", sheet_HWC, step, dataformats="HWC")
        self._writer.flush()


@contextmanager
def watching(console: Console, folder: Path, *, step: int, steps: int, is_main: bool) -> Iterator[Watch | None]:
    """TensorBoard's files lie in the folder; what a killed run wrote there behind the step is taken back.

    None in processes other than the first, which neither show nor write anything.
    """
    if not is_main:
        yield None
        return
    columns = [BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn()]
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_interactive)
    writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
    try:
        with bar:
            yield Watch(console, bar, bar.add_task("", total=steps, completed=step, text=""), writer)
    finally:
        writer.close()


def memory_mib() -> float:
    """The peak so far: PyTorch's tensors on a GPU, else the process's resident set."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
