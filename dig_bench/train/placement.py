"""Placement of a training's tensors: whole, or as FSDP shards."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils.checkpoint import checkpoint

from dig_models import Backbone


def prepare(accelerator: Accelerator, network: Backbone) -> Any:
    """Returns the network to call in this process: itself, wrapped in DDP, or sharded by FSDP2 as one unit.

    One unit, since the adaLN projections of all blocks are read at once, before the blocks. FSDP then shards gradients,
    optimizer state and averages. Raises ValueError for FSDP1, and for another wrapping policy.
    """
    if accelerator.distributed_type != DistributedType.FSDP:
        return accelerator.prepare(network)
    if not accelerator.is_fsdp2:
        raise ValueError("FSDP needs fsdp_version 2: set it with `accelerate config`")
    if accelerator.state.fsdp_plugin.auto_wrap_policy is not None:
        raise ValueError("FSDP shards the network as one unit: set fsdp_auto_wrap_policy to NO_WRAP")
    # accelerate shards a network only together with an optimizer. Ours is made later, over the sharded parameters.
    return accelerator.prepare(network, torch.optim.SGD(network.parameters()))[0]


def whole(tensor: Tensor) -> Tensor:
    """Returns the whole tensor. For a sharded one, all processes must call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def copy_all(tensors: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    """Copies values into tensors in place; each process copies its shards."""
    torch._foreach_copy_([_own(each) for each in tensors], [_own(each) for each in values])


def _own(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def filled(tensor: Tensor, value: Tensor) -> Tensor:
    """Copies a value into a tensor and returns the tensor; each process copies its shard."""
    value = value.to(tensor.device, tensor.dtype)
    if isinstance(tensor, DTensor):
        value = distribute_tensor(value, tensor.device_mesh, tensor.placements)
    return tensor.copy_(value)


def recompute_blocks(network: Backbone) -> None:
    """Makes each block drop its activations and run again in the backward pass."""
    for module in network.modules():
        if isinstance(module, nn.ModuleList):
            for block in module:
                block.forward = partial(checkpoint, block.forward, use_reentrant=False)
