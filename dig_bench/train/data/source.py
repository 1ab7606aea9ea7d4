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


Item = tuple[Tensor, int]
"""An image, or its latent, and its label."""


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
    def load(self, pick: Pick) -> Item:
        """(C, H, W), fp32, images in [-1, 1]; and the label. Called by several threads at once."""


def loaded(source: Source, batches: Iterable[Sequence[Pick]], *, workers: int) -> Iterator[Labelled]:
    """The batches in order, read ahead by threads, each of which has a part of a batch: what decodes images lets go of
    Python's lock, and what only finds them is not to fight for it image by image.

    Without workers each is read when it is asked for. Raises what `load` raises.
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
    return path.resolve().name
