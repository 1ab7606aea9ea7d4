"""Shared by the tests of training, sampling and scoring: tiny models and a tiny VAE."""

from pathlib import Path
from typing import Any

import torch

from dig_models import DiG, DiGConfig, DiT, DiTConfig, Model
from dig_models.vae import VAE_CONFIG

SHARED: dict[str, Any] = {"latent_size": 32, "patch_size": 8, "in_channels": 1, "num_classes": 10, "width": 32}
TINY_MODELS = {
    "DiG-test/8": Model(DiG, DiGConfig(**SHARED, depth=4, num_heads=1)),
    "DiT-test/8": Model(DiT, DiTConfig(**SHARED, depth=2, num_heads=1)),
}
"""Models for digits with 16 tokens per image."""

TINY_VAE = VAE_CONFIG | {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1}


def save_tiny_vae(folder: Path) -> Path:
    """Saves a VAE with random weights, as diffusers does."""
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    AutoencoderKL(**TINY_VAE).save_pretrained(folder)
    return folder
