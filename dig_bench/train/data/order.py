"""Which image comes when: a function of seed and position, so that a run that goes on needs to remember neither."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pick(NamedTuple):
    number: int
    """Of the image in its source."""
    flipped: bool
    """Mirrored left to right."""


def picks(count: int, position: int, size: int, *, seed: int) -> list[Pick]:
    """`size` of `count` images from a position on, that of the first image of the first epoch being 0.

    Every epoch holds each image once; a batch may end one epoch and begin the next.
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
    """Those of each step, from step `first` on, without an end."""
    step = first
    while True:
        yield picks(count, step * size, size, seed=seed)
        step += 1
