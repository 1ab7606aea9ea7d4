"""Specification in plain PyTorch."""

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "conv2d")


# B batch, C channels, H W latent height and width, D width, P patch size, T tokens
def patch_embed(latent_BCHW: Tensor, weight_DCPP: Tensor, bias_D: Tensor) -> Tensor:
    """Copies the result of the convolution, whose layout all elementwise operations of the network would keep."""
    tokens_BDT = F.conv2d(latent_BCHW, weight_DCPP, bias_D, stride=weight_DCPP.shape[-1]).flatten(2)
    return tokens_BDT.transpose(1, 2).contiguous()
