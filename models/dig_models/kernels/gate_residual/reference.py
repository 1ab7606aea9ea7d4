"""Specification in plain PyTorch."""

import torch
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "addcmul")


# B batch, T tokens, D width
def gate_residual(x_BTD: Tensor, gate_BD: Tensor, y_BTD: Tensor) -> Tensor:
    return torch.addcmul(x_BTD, gate_BD.unsqueeze(1), y_BTD)
