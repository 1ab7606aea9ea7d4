"""Specification in plain PyTorch."""

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.gated_norm import NORM_EPS
from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "rms_norm, silu, mul")


# B batch, T tokens, H heads, V value channels of a head
def gated_norm(o_BTHV: Tensor, gate_BTHV: Tensor, weight_V: Tensor) -> Tensor:
    return F.rms_norm(o_BTHV, weight_V.shape, weight_V, NORM_EPS) * F.silu(gate_BTHV)
