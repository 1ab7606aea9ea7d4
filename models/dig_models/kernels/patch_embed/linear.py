"""Patch embedding as a GEMM, whose result has the memory layout of tokens.

A convolution returns the layout of an image, and elementwise operations keep it. Every kernel that takes tokens would
then have to copy them.
"""

import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "linear")


# B batch, C channels, H W latent height and width, D width, P patch size, T tokens, N = C P P values of a patch
def patch_embed(latent_BCHW: Tensor, weight_DCPP: Tensor, bias_D: Tensor) -> Tensor:
    size = weight_DCPP.shape[-1]
    patches_BCRPSP = latent_BCHW.unflatten(3, (-1, size)).unflatten(2, (-1, size))
    patches_BTN = patches_BCRPSP.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
    return F.linear(patches_BTN, weight_DCPP.flatten(1), bias_D)
