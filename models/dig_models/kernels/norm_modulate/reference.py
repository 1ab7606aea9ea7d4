"""Specification in plain PyTorch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.norm_modulate import NORM_EPS
from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "layer_norm, addcmul")


# B batch, T tokens, D width
def norm_modulate(x_BTD: Tensor, shift_BD: Tensor, scale_BD: Tensor) -> Tensor:
    """Makes two passes over the tokens. Both kernels compute in fp32 and round once."""
    normal_BTD = F.layer_norm(x_BTD, x_BTD.shape[-1:], eps=NORM_EPS)
    return torch.addcmul(shift_BD.unsqueeze(1), normal_BTD, 1 + scale_BD.unsqueeze(1))
