"""SwiGLU by the Triton kernel of flash-linear-attention between two GEMMs of cuBLAS, as in the published DiG.

The kernel reads both halves of the first GEMM's output in place. The backward pass recomputes SwiGLU. Under
torch.compile the operations of reference.py run, because fla copies the halves there.
"""

import torch
import torch.nn.functional as F
from fla.modules.activations import swiglu_linear
from torch import Tensor

from dig_models.kernels.op import source_of
from dig_models.kernels.swiglu_mlp import reference

SOURCE = source_of("fla-core", "swiglu_linear, under torch.compile silu, mul, linear of torch")


# B batch, T tokens, D width, M hidden channels, N = 2 M
def swiglu_mlp(x_BTD: Tensor, gate_weight_ND: Tensor, down_weight_DM: Tensor) -> Tensor:
    if torch.compiler.is_compiling():
        return reference.swiglu_mlp(x_BTD, gate_weight_ND, down_weight_DM)
    gate_BTM, up_BTM = F.linear(x_BTD, gate_weight_ND).chunk(2, dim=-1)
    y_BTD: Tensor = swiglu_linear(gate_BTM, up_BTM, down_weight_DM, None)
    return y_BTD
