"""Parameters of the networks that are measured: seeded, and moved away from their initialization."""

from __future__ import annotations

import torch

from dig_models import Backbone

SEED = 0


def move(model: Backbone, noise: float) -> None:
    """Adds seeded noise to every parameter, of standard deviation noise * (64 / width)**0.5.

    Gates and outputs of fresh adaLN-Zero networks are zero, which hides errors and computes faster than trained
    parameters do. The scale keeps the outputs of all sizes within the range of half precision.
    """
    parameters = list(model.parameters())
    generator = torch.Generator(parameters[0].device).manual_seed(SEED)
    std = noise * (64 / model.config.width) ** 0.5
    with torch.no_grad():
        for parameter in parameters:
            draw = torch.randn(parameter.shape, generator=generator, device=parameter.device)
            parameter.add_(std * draw)
