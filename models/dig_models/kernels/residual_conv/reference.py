"""Specification in plain PyTorch. Rotates the weights for the scan order, instead of the image."""

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.gate_residual.reference import gate_residual
from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "addcmul, conv2d")


# B batch, T tokens of a grid of H rows and W columns, D width
def residual_conv(
    x_BTD: Tensor,
    gate_BD: Tensor,
    y_BTD: Tensor,
    weight_D133: Tensor,
    bias_D: Tensor,
    grid: tuple[int, int],
    order: int,
) -> Tensor:
    r_BDHW = gate_residual(x_BTD, gate_BD, y_BTD).transpose(1, 2).unflatten(2, grid)
    z_BDHW = F.conv2d(r_BDHW, turned(weight_D133, order), bias_D, padding=1, groups=r_BDHW.shape[1])
    return z_BDHW.flatten(2).transpose(1, 2)


def turned(weight_D133: Tensor, order: int) -> Tensor:
    """Rotates the weights, so that they act on the image as `weight_D133` acts on the reordered image."""
    if order % 2:
        weight_D133 = weight_D133.flip(-1, -2)
    return weight_D133.transpose(-1, -2) if order >= 2 else weight_D133
