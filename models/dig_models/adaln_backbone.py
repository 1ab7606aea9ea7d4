"""Base of DiT, DiG and U-DiG: patch embedding, blocks conditioned by adaLN, final layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from dig_models.backbone import Backbone, BackboneConfig, FlopCount
from dig_models.kernels.adaln_modulation import ADALN_MODULATION
from dig_models.kernels.adjacent_weights import make_adjacent
from dig_models.kernels.patch_embed import PATCH_EMBED
from dig_models.layers.conditioning import FinalLayer, LabelEmbedder, TimestepEmbedder
from dig_models.layers.patchify import PatchEmbed, sincos_2d, unpatchify

AROUND_THE_BLOCKS = (PATCH_EMBED, ADALN_MODULATION)
"""Operations outside the blocks, or for all blocks at once."""

FUSED_AROUND_THE_BLOCKS = {"patch_embed": "linear", "adaln_modulation": "joined"}


# B batch, C latent channels, H W latent height and width, T tokens, D width
class AdaLNBackbone(Backbone):
    """Subclasses implement `mix` and `mix_flops`: the blocks between the embedding and the final layer."""

    def __init__(self, config: BackboneConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        # Most backends leave these out, and so may a plugin's.
        patch_embed, norm_modulate, self._adaln_modulation = (
            self.implementations.get(operation, "reference")
            for operation in ("patch_embed", "norm_modulate", "adaln_modulation")
        )
        self.x_embedder = PatchEmbed(config.patch_size, config.in_channels, config.width, patch_embed)
        self.t_embedder = TimestepEmbedder(config.width)
        self.y_embedder = LabelEmbedder(config.num_classes, config.width, config.label_dropout)
        self.final_layer = FinalLayer(config.width, config.patch_size, config.out_channels, norm_modulate)
        self.blocks: nn.ModuleList
        self.pos_embed: Tensor
        # A buffer, because published checkpoints contain it.
        self.register_buffer("pos_embed", sincos_2d(config.grid, config.width))

    @abstractmethod
    def mix(self, x_BTD: Tensor, condition_BD: Tensor, grid: tuple[int, int]) -> Tensor:
        """Runs the blocks: (B, T, D) -> (B, T, D), tokens in image order on both sides."""

    @abstractmethod
    def mix_flops(self, batch_size: int) -> dict[str, int]:
        """Returns the FLOPs of the blocks by component. Their adaLN projections count as `conditioning`."""

    def blocks_by_condition(self) -> list[list[nn.Module]]:
        """Groups the blocks by condition. `mix` computes the modulations of each group at once."""
        return [list(self.blocks)]

    def modulations(self, condition_BD: Tensor, blocks: Sequence[nn.Module]) -> list[Tensor]:
        """Computes the shifts, scales and gates of each block from a condition: (B, D) -> (B, 6 D) per block."""
        linears = _adaln_linears(blocks)
        weights, biases = [linear.weight for linear in linears], [linear.bias for linear in linears]
        found: list[Tensor] = ADALN_MODULATION[self._adaln_modulation](condition_BD, weights, biases)
        return found

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

    def _make_modulations_adjacent(self) -> None:
        """Subclasses call this after creating the blocks."""
        if self._adaln_modulation == "joined":
            for blocks in self.blocks_by_condition():
                linears = _adaln_linears(blocks)
                make_adjacent([linear.weight for linear in linears])
                make_adjacent([linear.bias for linear in linears])

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Restores the memory layout after Module.to and its like, which move each parameter separately."""
        super()._apply(fn, recurse)
        self._make_modulations_adjacent()
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores the memory layout after copy.deepcopy and pickle."""
        super().__setstate__(state)
        self._make_modulations_adjacent()

    def _position(self, grid: tuple[int, int]) -> Tensor:
        if grid == self.config.grid:
            return self.pos_embed
        with torch.no_grad():
            return sincos_2d(grid, self.config.width, self.pos_embed.device).to(self.pos_embed.dtype)


def _adaln_linears(blocks: Sequence[nn.Module]) -> list[nn.Linear]:
    return [block.get_submodule("adaLN_modulation.1") for block in blocks]  # type: ignore[misc]
