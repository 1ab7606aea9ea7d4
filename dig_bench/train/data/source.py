"""What a training reads its images from: numbered, labelled, each plain or mirrored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from dig_bench.train.data.order import Pick

AHEAD = 2
"""Batches that are read while the network is busy with another."""


# N images, C channels, H W height and width
@dataclass(frozen=True, kw_only=True)
class Labelled:
    images: Tensor
    """(N, C, H, W), fp32 in [-1, 1]."""
    labels: Tensor
    """(N,), int64 from 0."""


class Source(ABC):
    name: str
    """What a checkpoint says it was trained on."""
    digest: str
    """Another one means other images."""
    num_classes: int
    image_size: int
    """Pixels along a side, of latents before the VAE."""
    shape: tuple[int, int, int]
    """C, H, W of an image, or of its latent."""
    of_latents: ClassVar[bool] = False
    mirrored: bool = True
    """Whether an image and its mirror image are of one class. Digits are not."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def load(self, pick: Pick) -> tuple[Tensor, int]:
        """(C, H, W), fp32, images in [-1, 1]; and the label. Called by several threads at once."""


def loaded(source: Source, batches: Iterable[Sequence[Pick]], *, workers: int) -> Iterator[Labelled]:
    """The batches in order, read ahead by threads: what decodes images lets go of Python's lock.

    Without workers each is read when it is asked for. Raises what `load` raises.
    """
    if not workers:
        for batch in batches:
            yield _stacked([source.load(pick) for pick in batch])
        return
    pool = ThreadPoolExecutor(workers)
    waiting: deque[list[Future[tuple[Tensor, int]]]] = deque()
    try:
        for batch in batches:
            waiting.append([pool.submit(source.load, pick) for pick in batch])
            if len(waiting) > AHEAD:
                yield _stacked([future.result() for future in waiting.popleft()])
        while waiting:
            yield _stacked([future.result() for future in waiting.popleft()])
    finally:
        pool.shutdown(cancel_futures=True)


def _stacked(items: Sequence[tuple[Tensor, int]]) -> Labelled:
    images, labels = zip(*items, strict=True)
    return Labelled(images=torch.stack(images), labels=torch.tensor(labels))


def name_of(path: Path) -> str:
    return path.resolve().name
