"""Networks for the embedded digits: small enough to learn them in minutes, sized by the rules of the large ones."""

from __future__ import annotations

from typing import Any

from dig_bench.train.data import embedded
from dig_models import DiG, DiGConfig, DiS, DiSConfig, DiT, DiTConfig, Model, suggest

SIZES = {"T": (128, 8), "N": (64, 4)}
"""Tiny and nano: width and depth. A head has 64 channels, as DiG's and DiT's have; a DiS is twice as deep."""

PATCH_SIZES = (2, 4)
"""Pixels along a side of a token: 256 and 64 tokens an image."""


def _sizes_at(patch: int) -> dict[str, Model]:
    models: dict[str, Model] = {}
    for size, (width, depth) in SIZES.items():
        heads = width // 64
        shared: dict[str, Any] = {
            "latent_size": embedded.SIDE_PX,
            "in_channels": 1,
            "num_classes": embedded.NUM_CLASSES,
            "patch_size": patch,
            "width": width,
        }
        models[f"DiG-{size}/{patch}"] = Model(DiG, DiGConfig(**shared, depth=depth, num_heads=heads))
        models[f"DiT-{size}/{patch}"] = Model(DiT, DiTConfig(**shared, depth=depth, num_heads=heads))
        models[f"DiS-{size}/{patch}"] = Model(DiS, DiSConfig(**shared, depth=2 * depth))
    return models


FOR_DIGITS: dict[str, Model] = {name: model for patch in PATCH_SIZES for name, model in _sizes_at(patch).items()}


def get(name: str) -> Model:
    """ValueError with the choices for an unknown name."""
    if name not in FOR_DIGITS:
        raise ValueError(f"no model for digits {suggest(name, FOR_DIGITS)}")
    return FOR_DIGITS[name]
