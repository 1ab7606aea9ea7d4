"""What DiT, DiG and U-DiG have in common: tokens in, blocks conditioned by adaLN, tokens out."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from dig_models.backbone import Backbone, BackboneConfig, FlopCount
from dig_models.layers.conditioning import FinalLayer, LabelEmbedder, TimestepEmbedder
from dig_models.layers.patchify import PatchEmbed, sincos_2d, unpatchify


# B batch, C latent channels, H W latent height and width, T tokens, D width
class AdaLNBackbone(Backbone):
    """Subclasses mix tokens between the embedding and the final layer; they say `mix` and `mix_flops`."""

    def __init__(self, config: BackboneConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        # A plugin's backends may say nothing of these two.
        patch_embed, norm_modulate = (
            self.backends[backend].get(operation, "reference") for operation in ("patch_embed", "norm_modulate")
        )
        self.x_embedder = PatchEmbed(config.patch_size, config.in_channels, config.width, patch_embed)
        self.t_embedder = TimestepEmbedder(config.width)
        self.y_embedder = LabelEmbedder(config.num_classes, config.width, config.label_dropout)
        self.final_layer = FinalLayer(config.width, config.patch_size, config.out_channels, norm_modulate)
        self.pos_embed: Tensor
        # Stored, since published checkpoints carry it.
        self.register_buffer("pos_embed", sincos_2d(config.grid, config.width))

    @abstractmethod
    def mix(self, x_BTD: Tensor, condition_BD: Tensor, grid: tuple[int, int]) -> Tensor:
        """The blocks: (B, T, D) -> (B, T, D), tokens in image order on both sides."""

    @abstractmethod
    def mix_flops(self, batch_size: int) -> dict[str, int]:
        """The blocks' FLOPs by component; their adaLN projections under `conditioning`."""

    def forward(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        grid = self.x_embedder.grid(latent_BCHW)
        x_BTD = self.x_embedder(latent_BCHW) + self._position(grid)
        condition_BD = self.t_embedder(timestep_B) + self.y_embedder(label_B)
        patches_BTP = self.final_layer(self.mix(x_BTD, condition_BD, grid), condition_BD)
        return unpatchify(patches_BTP, grid, self.config.patch_size)

    def flops(self, batch_size: int) -> FlopCount:
        config = self.config
        patch_values = config.patch_size**2
        tokens = batch_size * config.num_tokens
        embedders = config.width * (TimestepEmbedder.FREQUENCIES + config.width + 2 * config.width)
        components = self.mix_flops(batch_size)
        components["patchify"] = 2 * tokens * patch_values * config.in_channels * config.width
        components["conditioning"] += 2 * batch_size * embedders
        components["final_layer"] = 2 * tokens * patch_values * config.out_channels * config.width
        return FlopCount(components)

    def _position(self, grid: tuple[int, int]) -> Tensor:
        if grid == self.config.grid:
            return self.pos_embed
        with torch.no_grad():
            return sincos_2d(grid, self.config.width, self.pos_embed.device).to(self.pos_embed.dtype)
