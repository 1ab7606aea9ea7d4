"""Triton kernel of mamba-ssm, as in the published DiS: one pass over memory.

Under torch.compile the operations of reference.py run, which the compiler joins with their neighbours.
"""

import torch
from mamba_ssm.ops.triton.layer_norm import rms_norm_fn
from torch import Tensor

from dig_models.kernels.op import source_of
from dig_models.kernels.residual_norm import NORM_EPS, reference

SOURCE = source_of("mamba-ssm", "rms_norm_fn, under torch.compile add, rms_norm of torch")


# B batch, L condition and image tokens, W width
def residual_norm(x_BLW: Tensor, residual_BLW: Tensor, weight_W: Tensor) -> tuple[Tensor, Tensor]:
    if torch.compiler.is_compiling():
        return reference.residual_norm(x_BLW, residual_BLW, weight_W)
    normed_BLW, sum_BLW = rms_norm_fn(x_BLW, weight_W, None, residual=residual_BLW, eps=NORM_EPS, prenorm=True)
    return normed_BLW, sum_BLW
