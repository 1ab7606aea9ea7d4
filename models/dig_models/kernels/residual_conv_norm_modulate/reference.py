"""Specification: the two halves, one after the other."""

from torch import Tensor

from dig_models.kernels.norm_modulate.reference import norm_modulate
from dig_models.kernels.op import source_of
from dig_models.kernels.residual_conv.reference import residual_conv

SOURCE = source_of("torch", "addcmul, conv2d, layer_norm, addcmul")


# B batch, T tokens, D width
def residual_conv_norm_modulate(
    x_BTD: Tensor,
    gate_BD: Tensor,
    y_BTD: Tensor,
    weight_D133: Tensor,
    bias_D: Tensor,
    shift_BD: Tensor,
    scale_BD: Tensor,
    grid: tuple[int, int],
    order: int,
) -> tuple[Tensor, Tensor]:
    z_BTD = residual_conv(x_BTD, gate_BD, y_BTD, weight_D133, bias_D, grid, order)
    return z_BTD, norm_modulate(z_BTD, shift_BD, scale_BD)
