"""Where a training's tensors lie: in one piece, or in FSDP's shards."""

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
    """The network as this process calls it: itself, or in DDP, or as one unit in FSDP2.

    As one unit, since the adaLN projections of all blocks are read at once, before the blocks: what is sharded are
    gradients, optimiser and averages. ValueError for FSDP's first version, and for other units.
    """
    if accelerator.distributed_type != DistributedType.FSDP:
        return accelerator.prepare(network)
    if not accelerator.is_fsdp2:
        raise ValueError("FSDP is that of fsdp_version 2: say so to `accelerate config`")
    if accelerator.state.fsdp_plugin.auto_wrap_policy is not None:
        raise ValueError("FSDP takes the network as one unit: fsdp_auto_wrap_policy is NO_WRAP")
    # It shards network and optimiser together or not at all. Ours comes later, over what becomes of the parameters.
    return accelerator.prepare(network, torch.optim.SGD(network.parameters()))[0]


def whole(tensor: Tensor) -> Tensor:
    """A tensor in one piece; of a sharded one, once all processes ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def copy_all(tensors: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    """In place, at once; each process its shards."""
    torch._foreach_copy_([_own(each) for each in tensors], [_own(each) for each in values])


def _own(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def filled(tensor: Tensor, value: Tensor) -> Tensor:
    """The tensor with the value copied into it, of which each process takes its shard."""
    value = value.to(tensor.device, tensor.dtype)
    if isinstance(tensor, DTensor):
        value = distribute_tensor(value, tensor.device_mesh, tensor.placements)
    return tensor.copy_(value)


def recompute_blocks(network: Backbone) -> None:
    """Each block forgets its activations, and runs again in the backward pass."""
    for module in network.modules():
        if isinstance(module, nn.ModuleList):
            for block in module:
                block.forward = partial(checkpoint, block.forward, use_reentrant=False)
