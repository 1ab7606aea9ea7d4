"""Specification in plain PyTorch."""

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.norm_modulate import NORM_EPS
from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "layer_norm, mul, add")


# B batch, T tokens, D width
def norm_modulate(x_BTD: Tensor, shift_BD: Tensor, scale_BD: Tensor) -> Tensor:
    normal_BTD = F.layer_norm(x_BTD, x_BTD.shape[-1:], eps=NORM_EPS)
    return normal_BTD * (1 + scale_BD.unsqueeze(1)) + shift_BD.unsqueeze(1)
