"""Least memory traffic of operations and layers: the bytes that they read and write once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Bytes that one call of an operation or of a layer without sublayers reads and writes."""

    scope: str
    weight_bytes: int
    """Bytes of the network's parameters and buffers."""
    other_bytes: int
    """Bytes of the other arguments and of the results."""

    def cached_bytes(self, cache_bytes: int, network_bytes: int) -> int:
        """Returns the bytes that may stay in a cache of this size.

        These are the arguments and results of a call whose bytes all fit: the call before it may have just written
        them. Weights stay only if those of the whole network fit.
        """
        if self.weight_bytes + self.other_bytes > cache_bytes:
            return 0
        return self.other_bytes + (self.weight_bytes if network_bytes <= cache_bytes else 0)


class Traffic:
    """Calls of one forward pass of a network, in order."""

    def __init__(self, network: nn.Module) -> None:
        self.calls: list[Moved] = []
        self._weights = {each.untyped_storage().data_ptr() for each in [*network.parameters(), *network.buffers()]}

    def add(self, scope: str, values: Any) -> None:
        """Adds a call with these arguments and results; tensors within lists and tuples count, too."""
        weights = others = 0
        for tensor in _tensors(values):
            size = tensor.numel() * tensor.element_size()
            # Views of parameters share their storage.
            if tensor.untyped_storage().data_ptr() in self._weights:
                weights += size
            else:
                others += size
        self.calls.append(Moved(scope=scope, weight_bytes=weights, other_bytes=others))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _tensors(each)
