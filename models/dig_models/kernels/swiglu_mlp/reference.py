"""Specification in plain PyTorch."""

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "linear, silu, mul, linear")


# B batch, T tokens, D width, M hidden channels, N = 2 M
def swiglu_mlp(x_BTD: Tensor, gate_weight_ND: Tensor, down_weight_DM: Tensor) -> Tensor:
    gate_BTM, up_BTM = F.linear(x_BTD, gate_weight_ND).chunk(2, dim=-1)
    return F.linear(F.silu(gate_BTM) * up_BTM, down_weight_DM)
