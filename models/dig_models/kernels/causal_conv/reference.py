"""Specification in plain PyTorch."""

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "conv1d, silu")


# B batch, D channels, L tokens, K kernel size
def causal_conv(x_BDL: Tensor, weight_D1K: Tensor, bias_D: Tensor) -> Tensor:
    """Pads both ends and cuts off the tokens past the end, so that the convolution only looks back."""
    D, _, K = weight_D1K.shape
    y_BDP = F.conv1d(x_BDL, weight_D1K, bias_D, padding=K - 1, groups=D)
    return F.silu(y_BDP[..., : x_BDL.shape[-1]])
