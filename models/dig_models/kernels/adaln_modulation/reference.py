"""Specification in plain PyTorch, block by block."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "linear")


# B batch, D width, M channels of a block's vectors
def adaln_modulation(condition_BD: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> list[Tensor]:
    return [F.linear(F.silu(condition_BD), *layer) for layer in zip(weights, biases, strict=True)]
