"""Stable Diffusion's VAE, which decodes the latents of DiT and DiG: scale, sizes, decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

SCALE = 0.18215
"""Factor from the VAE's output to latents, which gives them about unit variance (as in DiT and DiG)."""

VAE_CONFIG = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
}
"""Arguments of diffusers' AutoencoderKL."""


# B batch, H W latent height and width
def decoder(vae: Any) -> Callable[[Tensor], Tensor]:
    """Returns a function from latents (B, 4, H, W) to images (B, 3, 8H, 8W) in about [-1, 1]."""

    @torch.inference_mode()
    def decode(latent_BCHW: Tensor) -> Tensor:
        image: Tensor = vae.decode(latent_BCHW.to(vae.dtype) / SCALE, return_dict=False)[0]
        return image

    return decode
