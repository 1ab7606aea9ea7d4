"""Networks of pixels, for the embedded digits and the like: small enough to learn those in minutes, sized by the rules
of the large ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dig_bench.train.data import embedded
from dig_models import CATALOG, Backbone, DiG, DiGConfig, DiS, DiSConfig, DiT, DiTConfig, Model, suggest
from dig_models.catalog import config_for

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


def sized(name: str, *, image_size: int, num_classes: int, channels: int) -> Model:
    """A network for digits, or one of the catalogue, for such images; the latter is one of latents, whatever channels
    its images have. ValueError for an unknown name, and for images that make no whole tokens."""
    if name in FOR_DIGITS:
        config = FOR_DIGITS[name].config
        if image_size < config.patch_size or image_size % config.patch_size:
            raise ValueError(f"{name} takes images of a multiple of {config.patch_size} px, not {image_size}")
        return Model(
            architecture(name), replace(config, latent_size=image_size, num_classes=num_classes, in_channels=channels)
        )
    return Model(architecture(name), config_for(name, image_size, num_classes=num_classes))


def architecture(name: str) -> type[Backbone]:
    """ValueError, with the choices, for an unknown name."""
    choices = FOR_DIGITS | CATALOG
    if name not in choices:
        raise ValueError(f"no model {suggest(name, choices)}")
    return choices[name].architecture
