"""Specification: the two halves, one after the other."""

from torch import Tensor

from dig_models.kernels.gate_residual.reference import gate_residual
from dig_models.kernels.norm_modulate.reference import norm_modulate
from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "addcmul, layer_norm, addcmul")


# B batch, T tokens, D width
def gate_residual_norm_modulate(
    x_BTD: Tensor, gate_BD: Tensor, y_BTD: Tensor, shift_BD: Tensor, scale_BD: Tensor
) -> tuple[Tensor, Tensor]:
    r_BTD = gate_residual(x_BTD, gate_BD, y_BTD)
    return r_BTD, norm_modulate(r_BTD, shift_BD, scale_BD)
