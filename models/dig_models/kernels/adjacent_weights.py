"""Stores several parameters back to back in memory, so that one GEMM can read them as one matrix.

A kernel wants one GEMM for all projections of an input. Checkpoints, optimizers and the other backends want the
published parameters. So the parameters stay separate and share one block of memory; the concatenated matrix is a view
of it and cannot go stale. Results never depend on the layout: if the parameters are no longer adjacent, or if autograd
or a compiler has to follow them, `concatenated` copies them, a few megabytes per layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


# N rows of all weights together, D columns
def make_adjacent(weights: Sequence[Tensor]) -> None:
    """Moves the weights, (rows, D) or (rows,), into one block of memory.

    Replacing their data, as Module.to does, undoes it.
    """
    if _are_adjacent(weights):
        return
    joined_ND = torch.cat([weight.detach() for weight in weights])
    for weight, part in zip(weights, joined_ND.split([len(weight) for weight in weights]), strict=True):
        weight.data = part


def adjacent_view(weights: Sequence[Tensor]) -> Tensor | None:
    """Returns the weights stacked along dimension 0, (N, D), as a view without a copy.

    Returns None if they are not adjacent, or if autograd or a compiler has to follow them.
    """
    wants_gradient = torch.is_grad_enabled() and any(weight.requires_grad for weight in weights)
    if wants_gradient or torch.compiler.is_compiling() or not _are_adjacent(weights):
        return None
    first = weights[0]
    return first.as_strided((sum(map(len, weights)), *first.shape[1:]), first.stride())


def concatenated(weights: Sequence[Tensor]) -> Tensor:
    """Returns the weights stacked along dimension 0, (N, D): `adjacent_view` if there is one, else a copy."""
    view = adjacent_view(weights)
    return torch.cat(list(weights)) if view is None else view


def _are_adjacent(weights: Sequence[Tensor]) -> bool:
    storage = weights[0].untyped_storage()
    address = weights[0].data_ptr()
    for weight in weights:
        if weight.data_ptr() != address or not weight.is_contiguous():
            return False
        address += weight.nbytes
    return address <= storage.data_ptr() + storage.nbytes()
