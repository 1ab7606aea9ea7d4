"""Embeddings of timestep and label, and adaLN, by which they condition a block (arXiv 2212.09748)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dig_models.kernels.norm_modulate import NORM_MODULATE


# B batch, T tokens, D width
def timestep_embedding(timestep_B: Tensor, channels: int) -> Tensor:
    """Computes sinusoids of 10000**(-i / half) radians per timestep, cosines first: (B,) -> (B, channels), fp32.

    Runs on the device of the timesteps, since a copy from the host would break the capture of a CUDA graph.
    """
    half = channels // 2
    index_F = torch.arange(half, dtype=torch.float32, device=timestep_B.device)
    angle_BF = timestep_B[:, None].float() * torch.exp(-math.log(10000) / half * index_F)
    return F.pad(torch.cat([angle_BF.cos(), angle_BF.sin()], dim=-1), (0, channels % 2))


class TimestepEmbedder(nn.Module):
    """(B,) -> (B, D): 256 sinusoids through a two-layer MLP."""

    FREQUENCIES = 256

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(normal_linear(self.FREQUENCIES, width), nn.SiLU(), normal_linear(width, width))

    def forward(self, timestep_B: Tensor) -> Tensor:
        sinusoids_BF = timestep_embedding(timestep_B, self.FREQUENCIES)
        embedding_BD: Tensor = self.mlp(sinusoids_BF.to(next(self.parameters()).dtype))
        return embedding_BD


def normal_linear(inputs: int, outputs: int) -> nn.Linear:
    linear = nn.Linear(inputs, outputs)
    nn.init.normal_(linear.weight, std=0.02)
    nn.init.zeros_(linear.bias)
    return linear


class LabelEmbedder(nn.Module):
    """(B,) -> (B, D). Row `num_classes` is the null label, which replaces labels at random in training."""

    def __init__(self, num_classes: int, width: int, dropout: float) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.dropout = dropout
        self.embedding_table = nn.Embedding(num_classes + 1, width)
        nn.init.normal_(self.embedding_table.weight, std=0.02)

    def forward(self, label_B: Tensor) -> Tensor:
        if self.training and self.dropout > 0:
            dropped_B = torch.rand(label_B.shape, device=label_B.device) < self.dropout
            label_B = label_B.masked_fill(dropped_B, self.num_classes)
        embedding_BD: Tensor = self.embedding_table(label_B)
        return embedding_BD


def adaln_modulation(width: int, vectors: int) -> nn.Sequential:
    """(B, D) -> (B, vectors * D): shifts, scales and gates. Initialized to zero, so that a block starts as identity."""
    linear = nn.Linear(width, vectors * width)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.SiLU(), linear)


class FinalLayer(nn.Module):
    """Modulated norm and projection to patches: (B, T, D) -> (B, T, patch_size**2 * out_channels)."""

    def __init__(self, width: int, patch_size: int, out_channels: int, norm_modulate: str = "reference") -> None:
        super().__init__()
        self.norm_modulate = norm_modulate
        self.linear = nn.Linear(width, patch_size**2 * out_channels)
        self.adaLN_modulation = adaln_modulation(width, 2)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x_BTD: Tensor, condition_BD: Tensor) -> Tensor:
        shift_BD, scale_BD = self.adaLN_modulation(condition_BD).chunk(2, dim=1)
        patches_BTP: Tensor = self.linear(NORM_MODULATE[self.norm_modulate](x_BTD, shift_BD, scale_BD))
        return patches_BTP
