"""Triton kernel of flash-linear-attention, as in the published DiG: one pass over memory, in fp32.

Under torch.compile the operations of reference.py run, which the compiler joins with their neighbours.
"""

import torch
from fla.modules.norm.fused_norm_gate import rms_norm_gated
from torch import Tensor

from dig_models.kernels.gated_norm import NORM_EPS, reference
from dig_models.kernels.op import source_of

SOURCE = source_of("fla-core", "rms_norm_gated, under torch.compile rms_norm, silu, mul of torch")


# B batch, T tokens, H heads, V value channels of a head
def gated_norm(o_BTHV: Tensor, gate_BTHV: Tensor, weight_V: Tensor) -> Tensor:
    """Rounds once. reference.py rounds the norm, the gate and their product."""
    if torch.compiler.is_compiling():
        return reference.gated_norm(o_BTHV, gate_BTHV, weight_V)
    y_BTHV: Tensor = rms_norm_gated(o_BTHV, gate_BTHV, weight_V, None, activation="swish", eps=NORM_EPS)
    return y_BTHV
