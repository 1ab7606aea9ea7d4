"""Specification in plain PyTorch."""

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "linear, gelu")


# B batch, T tokens, D width, M hidden channels
def linear_gelu(x_BTD: Tensor, weight_MD: Tensor, bias_M: Tensor) -> Tensor:
    return F.gelu(F.linear(x_BTD, weight_MD, bias_M), approximate="tanh")
