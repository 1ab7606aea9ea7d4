"""Plugin with a custom backbone: ConvNeXt blocks (arXiv 2201.03545) conditioned by adaLN-Zero.

    dig-bench sweep --plugin examples/my_backbone.py --models 'MyNet-*@*' --models DiG-S/2 --res 128,256

It has two backends: `reference`, the specification of the mixer, and `conv2d`, PyTorch's kernel for it. The correctness
check compares `conv2d` with `reference` before timing. AdaLNBackbone provides the patch embedding, the conditioning and
the last layer.
A package that installs kernels describes its implementations with `dig_models.KernelOp`, as the built-in ones do.
"""

from collections.abc import Callable
from itertools import product
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dig_models import BackboneConfig, Model
from dig_models.adaln_backbone import AdaLNBackbone
from dig_models.kernels.norm_modulate.reference import norm_modulate
from dig_models.layers.conditioning import adaln_modulation
from dig_models.layers.mlp import GeluMLP

KERNEL = 7
"""Kernel size of the depthwise convolution, in tokens."""


# B batch, T tokens of a grid of R rows and C columns, D width, K kernel size
def shifted_sum(x_BDRC: Tensor, weight_DKK: Tensor) -> Tensor:
    """Specification of the mixer: sums the shifted images, each times one of the K * K weights."""
    R, C = x_BDRC.shape[-2:]
    padded = F.pad(x_BDRC, (KERNEL // 2,) * 4)
    mixed_BDRC = torch.zeros_like(x_BDRC)
    for i, j in product(range(KERNEL), repeat=2):
        mixed_BDRC = mixed_BDRC + weight_DKK[:, i, j, None, None] * padded[..., i : i + R, j : j + C]
    return mixed_BDRC


def conv2d(x_BDRC: Tensor, weight_DKK: Tensor) -> Tensor:
    return F.conv2d(x_BDRC, weight_DKK.unsqueeze(1), padding=KERNEL // 2, groups=len(weight_DKK))


MIXERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"reference": shifted_sum, "conv2d": conv2d}


class ConvNeXtBlock(nn.Module):
    """Residual block of depthwise convolution, modulated norm, MLP and gate: (B, T, D) -> (B, T, D)."""

    def __init__(self, width: int, backend: str) -> None:
        super().__init__()
        self.mix = MIXERS[backend]
        self.weight_DKK = nn.Parameter(torch.randn(width, KERNEL, KERNEL) / KERNEL)
        self.mlp = GeluMLP(width)
        self.adaLN_modulation = adaln_modulation(width, 3)

    def forward(self, x_BTD: Tensor, condition_BD: Tensor, grid: tuple[int, int]) -> Tensor:
        shift_BD, scale_BD, gate_BD = self.adaLN_modulation(condition_BD).chunk(3, dim=1)
        mixed_BDRC = self.mix(x_BTD.unflatten(1, grid).permute(0, 3, 1, 2), self.weight_DKK)
        mixed_BTD = mixed_BDRC.flatten(2).transpose(1, 2)
        return x_BTD + gate_BD.unsqueeze(1) * self.mlp(norm_modulate(mixed_BTD, shift_BD, scale_BD))


class ConvNeXt(AdaLNBackbone):
    """Diffusion backbone of ConvNeXt blocks: `ConvNeXt(BackboneConfig(...), backend="conv2d")`."""

    # Both backends are defined here: they use no operation of dig_models.kernels.
    backends: ClassVar = {name: {} for name in MIXERS}
    default_backends: ClassVar = {"cpu": "conv2d", "cuda": "conv2d"}
    # torch.utils.flop_counter does not count the elementwise products of the reference.
    uncounted: ClassVar = frozenset({"mixer_core"})

    def __init__(self, config: BackboneConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        self.blocks = nn.ModuleList(ConvNeXtBlock(config.width, backend) for _ in range(config.depth))

    def mix(self, x_BTD: Tensor, condition_BD: Tensor, grid: tuple[int, int]) -> Tensor:
        for block in self.blocks:
            x_BTD = block(x_BTD, condition_BD, grid)
        return x_BTD

    def mix_flops(self, batch_size: int) -> dict[str, int]:
        width, depth = self.config.width, self.config.depth
        tokens = batch_size * self.config.num_tokens
        return {
            "conditioning": depth * 2 * batch_size * 3 * width**2,
            "mixer_core": depth * 2 * tokens * KERNEL**2 * width,
            "mlp": depth * 2 * tokens * 8 * width**2,
        }

    def kernels(self) -> str:
        return f"depthwise_convolution=torch {torch.__version__} {MIXERS[self.backend].__name__}"


def sized(width: int, depth: int) -> Model:
    return Model(ConvNeXt, BackboneConfig(latent_size=32, patch_size=2, width=width, depth=depth))


BACKBONES = {"MyNet-XS/2": sized(64, 2), "MyNet-S/2": sized(384, 18)}
