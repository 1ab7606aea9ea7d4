"""Some operations take another kernel for many tokens than for few. Who checks a network on few can ask for both."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_assumed = False
_told_apart = False


def are_many(count: int, fewest: int) -> bool:
    """Whether there are so many, of tokens or of what they make, as an operation's other kernel is for."""
    global _told_apart
    if not torch.compiler.is_compiling() and count < fewest:
        _told_apart = True
    return _assumed or count >= fewest


@contextmanager
def assumed() -> Iterator[None]:
    """While the block runs, any number of tokens is many."""
    global _assumed
    _assumed = True
    try:
        yield
    finally:
        _assumed = False


def were_told_apart() -> bool:
    """Whether an operation, since this was last asked, found too few tokens for its other kernel."""
    global _told_apart
    found, _told_apart = _told_apart, False
    return found
