"""Weights that are one matrix to a kernel and several parameters to everything else.

The kernel wants one matrix product for all projections of an input; checkpoints, optimizers and the other backends
want the published parameters. So these stay what they are, and lie one after the other in one piece of memory: the
joined matrix is a view of it, and cannot go stale. Nothing depends on that for its correctness. Where the parameters do
not lie so any more, and where a gradient or a compiler has to follow, the weights are concatenated, a copy of a few
megabytes a layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


# N rows of all weights together, D columns
def lay_out(weights: Sequence[Tensor]) -> None:
    """Moves the weights, (rows, D) or (rows,), into one piece of memory. What replaces their data undoes it, as
    Module.to does."""
    if _lie_in_line(weights):
        return
    joined_ND = torch.cat([weight.detach() for weight in weights])
    for weight, part in zip(weights, joined_ND.split([len(weight) for weight in weights]), strict=True):
        weight.data = part


def in_line(weights: Sequence[Tensor]) -> Tensor | None:
    """The weights one below the other as a view; None where they do not lie so, or where a gradient or a compiler has
    to follow."""
    wants_gradient = torch.is_grad_enabled() and any(weight.requires_grad for weight in weights)
    if wants_gradient or torch.compiler.is_compiling() or not _lie_in_line(weights):
        return None
    first = weights[0]
    return first.as_strided((sum(map(len, weights)), *first.shape[1:]), first.stride())


def joined(weights: Sequence[Tensor]) -> Tensor:
    """The weights one below the other, (N, D): a view if nothing forbids, else a copy."""
    view = in_line(weights)
    return torch.cat(list(weights)) if view is None else view


def _lie_in_line(weights: Sequence[Tensor]) -> bool:
    storage = weights[0].untyped_storage()
    address = weights[0].data_ptr()
    for weight in weights:
        if weight.data_ptr() != address or not weight.is_contiguous():
            return False
        address += weight.nbytes
    return address <= storage.data_ptr() + storage.nbytes()
