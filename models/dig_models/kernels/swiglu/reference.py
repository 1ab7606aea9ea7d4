"""The specification, in plain PyTorch."""

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "silu, mul")


# B batch, T tokens, M hidden channels, N = 2 M
def swiglu(h_BTN: Tensor) -> Tensor:
    gate_BTM, up_BTM = h_BTN.chunk(2, dim=-1)
    return F.silu(gate_BTM) * up_BTM
