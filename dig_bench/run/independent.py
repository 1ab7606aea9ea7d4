"""Other implementations of the network under test: which one to compare with, built in fp32, with little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dig_bench.cell import Cell, Precision
from dig_bench.run.precision import tf32
from dig_models import CATALOG, Backbone
from dig_models.catalog import DTYPES, PIXELS_PER_LATENT, config_for
from dig_models.kernels.attention import ATTENTION

SEQUENTIAL_TOKENS = 1024
"""Most tokens for which a backend that loops over tokens is compared with."""

PIECE_BYTES = 2**28
"""Largest block of attention weights of an independent implementation."""


def independent_backend(cell: Cell, num_tokens: int) -> str | None:
    """Returns the first other backend of plain PyTorch in fp32; None if there is none for so many tokens.

    Plain means that no implementation needs a package. A loop over tokens comes last. A backend that declares no
    operations counts as plain if it is the architecture's reference.
    """
    architecture = CATALOG[cell.model].architecture
    others = [each for each in architecture.backends if each != cell.backend and _is_plain(each, cell)]
    scalable = [each for each in others if not is_sequential(architecture, each)]
    if num_tokens <= SEQUENTIAL_TOKENS:
        scalable += others
    return next(iter(scalable), None)


def is_sequential(architecture: type[Backbone], backend: str) -> bool:
    """Returns whether some operation of the backend loops over tokens."""
    chosen = architecture.backends[backend].items()
    return any(architecture.operations[op].implementations[name].sequential for op, name in chosen)


def _is_plain(backend: str, cell: Cell) -> bool:
    architecture = CATALOG[cell.model].architecture
    chosen = architecture.backends[backend]
    if not chosen:
        return backend == architecture.reference_backend
    if any(architecture.operations[op].implementations[name].packages for op, name in chosen.items()):
        return False
    return architecture.unavailable(backend, device=cell.device, mode=cell.network_mode, precision="fp32") is None


def network(
    cell: Cell, *, grid: int, backend: str, precision: Precision = "fp32", depth: int | None = None
) -> Backbone:
    """Builds the cell's network for grid x grid tokens, with `depth` blocks if that is given.

    Raises ValueError for a depth that the architecture does not take.
    """
    config = config_for(cell.model, grid * CATALOG[cell.model].config.patch_size * PIXELS_PER_LATENT)
    with torch.device(cell.device):
        model = CATALOG[cell.model].architecture(replace(config, depth=depth or config.depth), backend=backend)
    return model.to(DTYPES[precision]).eval()


@contextmanager
def exactly() -> Iterator[None]:
    """While the block runs, networks compute without TF32, and attention in blocks of queries."""
    with tf32(False), ATTENTION.watched(in_pieces):
        yield


def in_pieces(attention: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Makes an attention of q, k, v (B, T, H, D) hold PIECE_BYTES of fp32 weights at a time, backward as well."""

    def by_queries(q_BTHD: Tensor, k_BTHD: Tensor, v_BTHD: Tensor) -> Tensor:
        B, T, H, _ = k_BTHD.shape
        pieces = q_BTHD.split(max(1, PIECE_BYTES // (4 * B * H * T)), dim=1)
        if len(pieces) == 1:
            return attention(q_BTHD, k_BTHD, v_BTHD)
        run = partial(checkpoint, attention, use_reentrant=False) if torch.is_grad_enabled() else attention
        return torch.cat([run(piece, k_BTHD, v_BTHD) for piece in pieces], dim=1)

    return by_queries


def recompute_blocks(model: Backbone) -> None:
    """Makes the model keep only the inputs of its blocks for the backward pass."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for block in module:
                block.forward = partial(checkpoint, block.forward, use_reentrant=False)
