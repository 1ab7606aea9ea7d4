"""Bias and GELU in the epilogue of a cuBLASLt GEMM, in passes without gradients.

The backward pass needs the input of the GELU, which the epilogue does not store. So passes with gradients run the two
steps of reference.py, in which the bias is still part of the GEMM.
"""

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from dig_models.kernels.linear_gelu import reference
from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "_addmm_activation with GELU in forward mode, linear and gelu in training")


# B batch, T tokens, D width, M hidden channels
def linear_gelu(x_BTD: Tensor, weight_MD: Tensor, bias_M: Tensor) -> Tensor:
    """Computes gelu(x weight^T + bias). Without gradients, GELU takes the fp32 sums of the GEMM before any rounding."""
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x_BTD, weight_MD, bias_M)):
        return reference.linear_gelu(x_BTD, weight_MD, bias_M)
    y_BTM: Tensor = torch.ops.aten._addmm_activation(bias_M, x_BTD.flatten(0, 1), weight_MD.t(), use_gelu=True)
    return y_BTM.unflatten(0, x_BTD.shape[:2])


@register_flop_formula(torch.ops.aten._addmm_activation)
def _flops(bias_shape: torch.Size, x_shape: torch.Size, weight_shape: torch.Size, *_: object, **__: object) -> int:
    """Counts the FLOPs of the GEMM, as for addmm."""
    return 2 * x_shape[0] * x_shape[1] * weight_shape[1]
