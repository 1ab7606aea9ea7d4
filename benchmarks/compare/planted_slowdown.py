"""A backbone of REPEATS equal layers, and the same one with a share of layers more: a slow-down of known size.

    from planted_slowdown import planted
    BACKBONES = planted(0.05)

The planted layers do all of a layer's work, forward and backward, and add nothing to the result.
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
    """A stack of 1x1 convolutions with shared weights."""

    backends: ClassVar = {"reference": {}}
    default_backends: ClassVar = {"cpu": "reference", "cuda": "reference"}
    planted_layers: ClassVar = 0

    def __init__(self, config: BackboneConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        self.enter = nn.Conv2d(config.in_channels, config.width, 1)
        self.layer = nn.Conv2d(config.width, config.width, 1)
        self.leave = nn.Conv2d(config.width, config.out_channels, 1)
        self.embed = nn.Embedding(config.num_classes, config.width)

    def forward(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        x_BDHW = self.enter(latent_BCHW) + self.embed(label_B)[:, :, None, None]
        for index in range(REPEATS + self.planted_layers):
            scale = 0.1 if index < REPEATS else 0.0
            x_BDHW = x_BDHW + scale * torch.tanh(self.layer(x_BDHW))
        return self.leave(x_BDHW)

    def flops(self, batch_size: int) -> FlopCount:
        width, channels = self.config.width, self.config.in_channels + self.config.out_channels
        pixels = batch_size * self.config.latent_size**2
        return FlopCount(
            {
                "layers": 2 * pixels * width**2 * (REPEATS + self.planted_layers),
                "ends": 2 * pixels * width * channels,
            }
        )


def planted(share: float) -> dict[str, Model]:
    """Returns the plugin's backbones, slower by `share`, which is a whole number of hundredths."""
    architecture = type("Planted", (Steps,), {"planted_layers": round(REPEATS * share)})
    config = BackboneConfig(latent_size=4, patch_size=1, width=WIDTH, depth=1)
    return {"Steps-S/1": Model(architecture, config)}


BACKBONES = planted(0.0)
