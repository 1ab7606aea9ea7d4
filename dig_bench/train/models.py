"""Models that can be trained: the catalogue for latents, and small networks for images, sized by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dig_bench.train.data import embedded
from dig_models import CATALOG, Backbone, DiG, DiGConfig, DiS, DiSConfig, DiT, DiTConfig, Model, suggest
from dig_models.catalog import config_for

SIZES = {"T": (128, 8), "N": (64, 4)}
"""Tiny and nano: width and depth. A head has 64 channels, as in DiG and DiT; a DiS is twice as deep."""

PATCH_SIZES = (2, 4)
"""Pixels along a side of a token: 256 or 64 tokens per image."""


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
"""Models for images in pixels: the embedded digits can be learned in minutes."""


def sized(name: str, *, image_size: int, num_classes: int, channels: int) -> Model:
    """Returns a model with a config for images of `image_size` px.

    A model of the catalogue takes latents, whatever the channels of the images. Raises ValueError for an unknown name,
    and for images that do not divide into whole tokens.
    """
    if name in FOR_DIGITS:
        config = FOR_DIGITS[name].config
        if image_size < config.patch_size or image_size % config.patch_size:
            raise ValueError(f"{name} takes images of a multiple of {config.patch_size} px, not {image_size}")
        return Model(
            FOR_DIGITS[name].architecture,
            replace(config, latent_size=image_size, num_classes=num_classes, in_channels=channels),
        )
    return Model(architecture(name), config_for(name, image_size, num_classes=num_classes))


def architecture(name: str) -> type[Backbone]:
    """Returns the architecture of a model. Raises ValueError, with the choices, for an unknown name."""
    choices = FOR_DIGITS | CATALOG
    if name not in choices:
        raise ValueError(f"no model {suggest(name, choices)}")
    return choices[name].architecture


def parse(text: str, choices: Mapping[str, Model], *, device: str, precision: str) -> tuple[str, str]:
    """Splits `DiG-S/2@fused` into model and backend; without an @, the backend suits device type and precision.

    Raises ValueError, with the choices, for unknown names, and for a backend that cannot train there.
    """
    model, at, backend = text.partition("@")
    if model not in choices:
        raise ValueError(f"no model {suggest(model, choices)}")
    architecture = choices[model].architecture
    backend = backend if at else architecture.suited_backend(device=device, precision=precision)
    if backend not in architecture.backends:
        raise ValueError(f"{model} has no backend {suggest(backend, architecture.backends)}")
    if reason := architecture.unavailable(backend, device=device, mode="train", precision=precision):
        raise ValueError(f"{model}@{backend} cannot train here: {reason}")
    return model, backend
