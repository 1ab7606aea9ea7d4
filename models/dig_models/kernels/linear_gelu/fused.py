"""Bias and GELU in the epilogue of cuBLASLt's matrix product, where no gradient is wanted.

A gradient needs what goes into the GELU, which the epilogue does not leave: with one, this is the two steps of
reference.py, whose matrix product has its bias in the epilogue all the same.
"""

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from dig_models.kernels.linear_gelu import reference
from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "_addmm_activation with GELU in forward mode, linear and gelu in training")


# B batch, T tokens, D width, M hidden channels
def linear_gelu(x_BTD: Tensor, weight_MD: Tensor, bias_M: Tensor) -> Tensor:
    """As the package says. Without gradients, GELU sees the product's fp32 sums, and not what bf16 leaves of them."""
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x_BTD, weight_MD, bias_M)):
        return reference.linear_gelu(x_BTD, weight_MD, bias_M)
    y_BTM: Tensor = torch.ops.aten._addmm_activation(bias_M, x_BTD.flatten(0, 1), weight_MD.t(), use_gelu=True)
    return y_BTM.unflatten(0, x_BTD.shape[:2])


@register_flop_formula(torch.ops.aten._addmm_activation)
def _flops(bias_shape: torch.Size, x_shape: torch.Size, weight_shape: torch.Size, *_: object, **__: object) -> int:
    """The matrix product's, as for addmm."""
    return 2 * x_shape[0] * x_shape[1] * weight_shape[1]
