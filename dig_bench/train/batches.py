"""Batches of a training: one process's rows of each batch, with the random draws of its training step.

The draws are made for the whole batch from seed and step, and each process takes its rows. So the losses depend neither
on the number of processes nor, on one device, on how often the run was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from dig_bench.train.data import Labelled, Source, loaded
from dig_bench.train.data.order import Pick, picks
from dig_bench.train.recipe import Draws, some_dropped
from dig_bench.train.settings import Settings


# B images of a part, C channels, H W height and width
class Part(NamedTuple):
    """Inputs of one forward pass, on the device."""

    image: Tensor
    """(B, C, H, W)"""
    noise: Tensor
    """(B, C, H, W)"""
    timestep: Tensor
    """(B,)"""
    label: Tensor
    """(B,), with the null label in place of dropped labels."""


class Batches:
    """Rows of process `index` out of `processes`. Raises ValueError if they cannot share a batch evenly."""

    def __init__(self, source: Source, settings: Settings, *, index: int, processes: int, device: torch.device) -> None:
        if settings.batch_size % (processes * settings.accumulate):
            raise ValueError(
                f"a batch of {settings.batch_size} images cannot be divided evenly among {processes} processes "
                f"with {settings.accumulate} parts each: change --batch or --accumulate"
            )
        self.source, self.settings, self.device = source, settings, device
        size = settings.batch_size // processes
        self.rows = slice(index * size, (index + 1) * size)
        self.draws = Draws((settings.batch_size, *source.shape), seed=settings.seed, device=device)

    def shares(self, first_step: int, *, workers: int) -> Iterator[Labelled]:
        """Yields this process's images of each training step, read ahead by `workers` threads."""
        return loaded(self.source, self._picks(first_step), workers=workers)

    def parts(self, step: int, share: Labelled) -> Iterator[Part]:
        """Yields the inputs of a training step, in as many parts as gradients are accumulated over."""
        self.draws.fill(step)
        rows, settings = self.rows, self.settings
        label_B = some_dropped(
            self._on_device(share.labels), self.draws.chance[rows], settings.label_dropout, self.source.num_classes
        )
        whole = self._on_device(share.images), self.draws.noise[rows], self.draws.timestep[rows], label_B
        return (Part(*part) for part in zip(*(each.chunk(settings.accumulate) for each in whole), strict=True))

    def _picks(self, first_step: int) -> Iterator[list[Pick]]:
        size, rows = self.settings.batch_size, self.rows
        flips = self.settings.flip and self.source.mirrored
        for step in range(first_step, self.settings.steps):
            chosen = picks(len(self.source), step * size + rows.start, rows.stop - rows.start, seed=self.settings.seed)
            yield chosen if flips else [pick._replace(flipped=False) for pick in chosen]

    def _on_device(self, tensor: Tensor) -> Tensor:
        """Copies a tensor to the device, from pinned memory, so that the host need not wait for the last step."""
        pinned = tensor.pin_memory() if self.device.type == "cuda" else tensor
        return pinned.to(self.device, non_blocking=True)
