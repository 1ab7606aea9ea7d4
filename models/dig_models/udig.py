"""U-DiG: the U-shaped DiG that the paper describes but does not publish (Zhu et al., CVPR 2025, arXiv 2405.18428).

The paper specifies patches of 1x1 on a latent of 1/8 resolution, five groups of depth / 5 DiG blocks over three stages,
2x down- and upsampling between the stages, and concatenated skips at stages 1 and 2.

This project chose the rest: the sampling operators (a linear layer merges four tokens, another splits them), the linear
layer that joins a skip, conditioning (embedded once, then projected to the width of each stage), SREM's orders
continuing through all groups, and `SIZES`, for which parameters and FLOPs at 256 px are within 5 % of the plain DiG of
that name. The patch size in a name is that of the plain DiG, whose grid is that of stage 2: `U-DiG-S/4` embeds patches
of 2x2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dig_models.adaln_backbone import AdaLNBackbone
from dig_models.backbone import BackboneConfig
from dig_models.dig import DiG, DiGBlock
from dig_models.layers.mlp import xavier_linear
from dig_models.layers.norm_ahead import linked
from dig_models.layers.resample import Downsample, Upsample, half
from dig_models.layers.scan_order import ScanOrder

SIZES = {
    "S": ((256, 256, 768), 10),
    "B": ((256, 384, 768), 35),
    "L": ((448, 768, 1216), 40),
    "XL": ((576, 832, 1600), 40),
}
"""Widths of the three stages, and depth, chosen by this project."""

HEAD_CHANNELS = 64
"""Value channels of a head, as in DiG."""

STAGE_OF_GROUP = (0, 1, 2, 1, 0)


@dataclass(frozen=True, kw_only=True)
class UDiGConfig(BackboneConfig):
    """`width` is the width of the first and finest stage, `inner_widths` are those of the second and third."""

    inner_widths: tuple[int, int]

    def __post_init__(self) -> None:
        if self.depth % 5:
            raise ValueError(f"U-DiG has five groups of blocks, so its depth is a multiple of 5, not {self.depth}")

    @property
    def widths(self) -> tuple[int, int, int]:
        return (self.width, *self.inner_widths)


# B batch, T tokens, D width
class UDiG(AdaLNBackbone):
    """UDiG(UDiGConfig(...), backend="chunked")."""

    config: UDiGConfig
    operations: ClassVar = DiG.operations
    backends: ClassVar = DiG.backends
    default_backends: ClassVar = DiG.default_backends
    uncounted: ClassVar = DiG.uncounted

    def __init__(self, config: UDiGConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        widths = config.widths
        self.blocks = nn.ModuleList(
            DiGBlock(widths[stage], widths[stage] // HEAD_CHANNELS, self.implementations)
            for stage in STAGE_OF_GROUP
            for _ in range(config.depth // 5)
        )
        self.conditions = nn.ModuleList(xavier_linear(config.width, width) for width in config.inner_widths)
        self.downs = nn.ModuleList(Downsample(widths[stage], widths[stage + 1]) for stage in (0, 1))
        self.ups = nn.ModuleList(Upsample(widths[stage + 1], widths[stage]) for stage in (1, 0))
        self.joins = nn.ModuleList(xavier_linear(2 * widths[stage], widths[stage]) for stage in (1, 0))
        self._make_modulations_adjacent()

    def blocks_by_condition(self) -> list[list[nn.Module]]:
        """Groups the blocks by stage."""
        depth = self.config.depth // 5
        stages: list[list[nn.Module]] = [[] for _ in self.config.widths]
        for group, stage in enumerate(STAGE_OF_GROUP):
            stages[stage] += self.blocks[group * depth : (group + 1) * depth]
        return stages

    def mix(self, x_BTD: Tensor, condition_BD: Tensor, grid: tuple[int, int]) -> Tensor:
        conditions = [condition_BD, *(project(condition_BD) for project in self.conditions)]
        modulations = {
            block: modulation_BM
            for condition_BD, blocks in zip(conditions, self.blocks_by_condition(), strict=True)
            for block, modulation_BM in zip(blocks, self.modulations(condition_BD, blocks), strict=True)
        }
        grids = [grid, half(grid), half(half(grid))]
        group_depth = self.config.depth // 5
        skips: list[Tensor] = []
        for group, stage in enumerate(STAGE_OF_GROUP):
            if group >= 3:
                x_BTD = self.ups[group - 3](x_BTD, grids[stage])
                x_BTD = self.joins[group - 3](torch.cat([x_BTD, skips.pop()], dim=-1))
            first = group * group_depth
            blocks = list(self.blocks[first : first + group_depth])
            steps = linked(blocks, [modulations[block] for block in blocks])
            for index, (block, modulation_BM, ahead) in enumerate(steps, start=first):
                x_BTD = block(x_BTD, modulation_BM, grids[stage], ScanOrder.of_block(index), ahead=ahead)
            if group < 2:
                skips.append(x_BTD)
                x_BTD = self.downs[group](x_BTD, grids[stage])
        return x_BTD

    def mix_flops(self, batch_size: int) -> dict[str, int]:
        widths, grid = self.config.widths, self.config.grid
        tokens = [batch_size * rows * columns for rows, columns in (grid, half(grid), half(half(grid)))]
        components: dict[str, int] = {}
        for stage in STAGE_OF_GROUP:
            width = widths[stage]
            block = DiGBlock.flops(width, width // HEAD_CHANNELS, tokens[stage], batch_size)
            for name, flops in block.items():
                components[name] = components.get(name, 0) + self.config.depth // 5 * flops
        components["conditioning"] += 2 * batch_size * widths[0] * (widths[1] + widths[2])
        # Down and up have the same shapes, transposed.
        components["resample"] = sum(2 * 2 * tokens[s + 1] * 4 * widths[s] * widths[s + 1] for s in (0, 1))
        components["skip"] = sum(2 * tokens[s] * 2 * widths[s] ** 2 for s in (0, 1))
        return components
