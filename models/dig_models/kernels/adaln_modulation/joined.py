"""Computes SiLU once, and runs one GEMM for all blocks if their weights are adjacent in memory, else one per block.

A condition is one vector per image, so a GEMM of a single block costs little more than its launch.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.adjacent_weights import adjacent_view
from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "linear of all blocks")


# B batch, D width, M channels of a block's vectors, N those of all blocks
def adaln_modulation(condition_BD: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> list[Tensor]:
    activated_BD = F.silu(condition_BD)
    weight_ND, bias_N = adjacent_view(weights), adjacent_view(biases)
    # With gradients, concatenating the weights would copy hundreds of megabytes.
    if weight_ND is None or bias_N is None:
        return [F.linear(activated_BD, *layer) for layer in zip(weights, biases, strict=True)]
    return list(F.linear(activated_BD, weight_ND, bias_N).split([len(bias) for bias in biases], dim=1))
