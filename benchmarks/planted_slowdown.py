"""A backbone of REPEATS equal steps, and the same one with a share of steps more: a slow-down whose size is known.

    from planted_slowdown import planted
    BACKBONES = planted(0.05)

The steps that are planted do all of a step's work, forward and backward, and add nothing to the result.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from dig_models import Backbone, BackboneConfig, FlopCount, Model

REPEATS = 100

WIDTH = 64


# B batch, C latent channels, H W latent height and width, D width
class Steps(Backbone):
    """1x1 convolutions over and over."""

    backends: ClassVar = {"reference": {}}
    default_backends: ClassVar = {"cpu": "reference", "cuda": "reference"}
    planted_steps: ClassVar = 0

    def __init__(self, config: BackboneConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        self.enter = nn.Conv2d(config.in_channels, config.width, 1)
        self.step = nn.Conv2d(config.width, config.width, 1)
        self.leave = nn.Conv2d(config.width, config.out_channels, 1)
        self.embed = nn.Embedding(config.num_classes, config.width)

    def forward(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        x_BDHW = self.enter(latent_BCHW) + self.embed(label_B)[:, :, None, None]
        for index in range(REPEATS + self.planted_steps):
            scale = 0.1 if index < REPEATS else 0.0
            x_BDHW = x_BDHW + scale * torch.tanh(self.step(x_BDHW))
        return self.leave(x_BDHW)

    def flops(self, batch_size: int) -> FlopCount:
        width, channels = self.config.width, self.config.in_channels + self.config.out_channels
        pixels = batch_size * self.config.latent_size**2
        return FlopCount(
            {
                "steps": 2 * pixels * width**2 * (REPEATS + self.planted_steps),
                "ends": 2 * pixels * width * channels,
            }
        )


def planted(share: float) -> dict[str, Model]:
    """Slower by `share`, a whole number of hundredths."""
    architecture = type("Planted", (Steps,), {"planted_steps": round(REPEATS * share)})
    config = BackboneConfig(latent_size=4, patch_size=1, width=WIDTH, depth=1)
    return {"Steps-S/1": Model(architecture, config)}


BACKBONES = planted(0.0)
