"""CATALOG, the table of all named models, and `build`, which creates one."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import torch

from dig_models import dig, dis, dit, udig
from dig_models.backbone import Backbone, BackboneConfig
from dig_models.dig import DiG, DiGConfig
from dig_models.dis import DiS, DiSConfig
from dig_models.dit import DiT, DiTConfig
from dig_models.kernels.op import suggest
from dig_models.udig import UDiG, UDiGConfig

PIXELS_PER_LATENT = 8
"""Image pixels along the side of a latent pixel, in the VAE of Stable Diffusion."""

PATCH_SIZES = (2, 4, 8)

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Types of parameters and activations. Norms, softmax and recurrent states compute in fp32 at every precision."""


class Model(NamedTuple):
    """An architecture and its sizes; `build` sets the config's latent_size and num_classes."""

    architecture: type[Backbone]
    config: BackboneConfig


def _sizes_at(patch: int) -> dict[str, Model]:
    models: dict[str, Model] = {}
    latent = 256 // PIXELS_PER_LATENT
    for size, (width, depth, heads) in dig.SIZES.items():
        plain = DiGConfig(latent_size=latent, patch_size=patch, width=width, depth=depth, num_heads=heads)
        models[f"DiG-{size}/{patch}"] = Model(DiG, plain)
        models[f"DiG-{size}/{patch}-skip"] = Model(DiG, replace(plain, skip=True))
    for size, ((width, middle, inner), depth) in udig.SIZES.items():
        u_shaped = UDiGConfig(
            latent_size=latent, patch_size=patch // 2, width=width, inner_widths=(middle, inner), depth=depth
        )
        models[f"U-DiG-{size}/{patch}"] = Model(UDiG, u_shaped)
    for size, (width, depth, heads) in dit.SIZES.items():
        transformer = DiTConfig(latent_size=latent, patch_size=patch, width=width, depth=depth, num_heads=heads)
        models[f"DiT-{size}/{patch}"] = Model(DiT, transformer)
    for size, (width, depth) in dis.SIZES.items():
        models[f"DiS-{size}/{patch}"] = Model(
            DiS, DiSConfig(latent_size=latent, patch_size=patch, width=width, depth=depth)
        )
    return models


CATALOG: dict[str, Model] = {name: model for patch in PATCH_SIZES for name, model in _sizes_at(patch).items()}


def get(name: str) -> Model:
    """Returns a model by name. Raises ValueError with the choices for an unknown name."""
    if name not in CATALOG:
        raise ValueError(f"no model {suggest(name, CATALOG)}")
    return CATALOG[name]


def config_for(name: str, image_size: int, *, num_classes: int = 1000) -> BackboneConfig:
    """Returns the config of a model for square images of `image_size` px.

    Raises ValueError if that is not a whole number of tokens.
    """
    config = get(name).config
    step = PIXELS_PER_LATENT * config.patch_size
    if image_size < step or image_size % step:
        raise ValueError(f"{name} takes images of a multiple of {step} px, not {image_size}")
    return replace(config, latent_size=image_size // PIXELS_PER_LATENT, num_classes=num_classes)


def build(
    name: str,
    *,
    image_size: int,
    backend: str,
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32",
    device: str | torch.device = "cpu",
    num_classes: int = 1000,
) -> Backbone:
    """Creates a named model with fresh parameters, in evaluation mode.

    bf16 and fp16 cast the parameters. tf32 and fp32 keep them in fp32; the caller sets which of the two GEMMs use, for
    the whole process. A backend `fused:many` forces one variant of each kernel, as `Backbone.variants` lists them.
    Raises ValueError for an unknown name, backend, precision or size.
    """
    if precision not in DTYPES:
        raise ValueError(f"no precision {suggest(precision, DTYPES)}")
    config = config_for(name, image_size, num_classes=num_classes)
    with torch.device(device):
        model = get(name).architecture(config, backend=backend)
    return model.to(DTYPES[precision]).eval()


def unavailable(name: str, backend: str, device: str, mode: str = "forward", precision: str = "fp32") -> str | None:
    """Returns the reason why a backend cannot run on a device type, in one line with the remedy, or None if it can."""
    architecture = get(name).architecture
    if backend not in architecture.backends:
        raise ValueError(f"{name} has no backend {suggest(backend, architecture.backends)}")
    return architecture.unavailable(backend, device=device, mode=mode, precision=precision)


def default_backend(name: str, device: str) -> str:
    """Returns the backend of a model that is named without an @, for a device type."""
    return get(name).architecture.default_backends[device]
