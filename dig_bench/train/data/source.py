"""Source: numbered, labelled images that a training reads, each plain or mirrored."""

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
"""Number of batches to read ahead."""

Item = tuple[Tensor, int]
"""Image, or its latent, and its label."""


# N images, C channels, H W height and width
@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Images with their labels."""

    images: Tensor
    """(N, C, H, W), fp32 in [-1, 1]."""
    labels: Tensor
    """(N,), int64 from 0."""


class Source(ABC):
    """Images to train on."""

    name: str
    """Name that checkpoints store."""
    digest: str
    """Digest that changes with the images."""
    num_classes: int
    image_size: int
    """Pixels along a side; for latents, before the VAE."""
    shape: tuple[int, int, int]
    """C, H, W of an image or a latent."""
    of_latents: ClassVar[bool] = False
    mirrored: bool = True
    """True if an image and its mirror image are of one class, which digits are not."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def load(self, pick: Pick) -> Item:
        """Returns an image, fp32 (C, H, W), in [-1, 1] unless it is a latent, and its label. Must be thread-safe."""


def loaded(source: Source, batches: Iterable[Sequence[Pick]], *, workers: int) -> Iterator[Labelled]:
    """Yields the batches in order, read ahead by threads, or on demand without workers. Raises what `load` raises.

    Each thread reads a part of a batch: decoding releases Python's lock, and the rest should not contend for it with
    every image.
    """
    if not workers:
        for batch in batches:
            yield _stacked(_read(source, batch))
        return
    pool = ThreadPoolExecutor(workers)
    waiting: deque[list[Future[list[Item]]]] = deque()
    try:
        for batch in batches:
            size = -(-len(batch) // workers)
            parts = [batch[first : first + size] for first in range(0, len(batch), size)]
            waiting.append([pool.submit(_read, source, part) for part in parts])
            if len(waiting) > AHEAD:
                yield _joined(waiting.popleft())
        while waiting:
            yield _joined(waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _read(source: Source, picks: Sequence[Pick]) -> list[Item]:
    return [source.load(pick) for pick in picks]


def _joined(parts: Sequence[Future[list[Item]]]) -> Labelled:
    return _stacked([item for part in parts for item in part.result()])


def _stacked(items: Sequence[Item]) -> Labelled:
    images, labels = zip(*items, strict=True)
    return Labelled(images=torch.stack(images), labels=torch.tensor(labels))


def name_of(path: Path) -> str:
    """Returns the name of a folder."""
    return path.resolve().name
