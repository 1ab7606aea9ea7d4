"""Specification in plain PyTorch."""

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.op import source_of
from dig_models.kernels.residual_norm import NORM_EPS

SOURCE = source_of("torch", "add, rms_norm")


# B batch, L condition and image tokens, W width
def residual_norm(x_BLW: Tensor, residual_BLW: Tensor, weight_W: Tensor) -> tuple[Tensor, Tensor]:
    residual_BLW = residual_BLW + x_BLW
    normed_BLW = F.rms_norm(residual_BLW, weight_W.shape, weight_W.float(), NORM_EPS)
    return normed_BLW.to(weight_W.dtype), residual_BLW
