"""The VAE between images and latents: diffusers' AutoencoderKL, from a local folder only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dig_models.catalog import DTYPES

SCALE = 0.18215
"""Latents are the VAE's times this, which gives them unit variance: DiT's, and DiG's."""


def load(path: Path, *, device: str, precision: str = "fp32") -> Any:
    """ValueError, in one line, when the folder holds none. Nothing is downloaded."""
    from diffusers import AutoencoderKL

    if not (path / "config.json").is_file():
        raise ValueError(f"no VAE at {path}: it is a folder with config.json and weights, as diffusers saves them")
    try:
        vae = AutoencoderKL.from_pretrained(path, local_files_only=True, torch_dtype=DTYPES[precision])
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} holds no VAE that can be loaded: {str(error).splitlines()[0]}") from error
    return vae.to(device).eval().requires_grad_(False)


# B batch, H W latent height and width
def decoder(vae: Any) -> Callable[[Tensor], Tensor]:
    """Latents (B, 4, H, W) of a network -> images (B, 3, 8H, 8W) in about [-1, 1]."""

    @torch.inference_mode()
    def decode(latent_BCHW: Tensor) -> Tensor:
        image: Tensor = vae.decode(latent_BCHW.to(vae.dtype) / SCALE, return_dict=False)[0]
        return image

    return decode
