"""Order of the images: a function of seed and position, so that a run can resume without stored state."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pick(NamedTuple):
    """One image of a batch."""

    number: int
    """Number of the image in its source."""
    flipped: bool
    """Mirrored left to right."""


def picks(count: int, position: int, size: int, *, seed: int) -> list[Pick]:
    """Returns `size` picks out of `count` images from a position on; position 0 starts the first epoch.

    Every epoch holds each image once. A batch may end one epoch and start the next.
    """
    chosen = []
    for number in range(position, position + size):
        epoch, place = divmod(number, count)
        order_N, flipped_N = _epoch(count, seed, epoch)
        chosen.append(Pick(int(order_N[place]), bool(flipped_N[place])))
    return chosen


@lru_cache(maxsize=2)
def _epoch(count: int, seed: int, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    generator = np.random.default_rng([seed, epoch])
    return generator.permutation(count), generator.random(count) < 0.5


def batches(count: int, size: int, *, seed: int, first: int = 0) -> Iterator[list[Pick]]:
    """Yields the picks of each training step, from step `first` on, without end."""
    step = first
    while True:
        yield picks(count, step * size, size, seed=seed)
        step += 1
