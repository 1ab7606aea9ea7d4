"""DiG: Scalable and Efficient Diffusion Models with Gated Linear Attention. Zhu et al., CVPR 2025, arXiv 2405.18428."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dig_models.adaln_backbone import AROUND_THE_BLOCKS, FUSED_AROUND_THE_BLOCKS, AdaLNBackbone
from dig_models.backbone import BackboneConfig
from dig_models.kernels.gate_residual_norm_modulate import GATE_RESIDUAL_NORM_MODULATE
from dig_models.kernels.gated_linear_attention import GATED_LINEAR_ATTENTION
from dig_models.kernels.gated_norm import GATED_NORM
from dig_models.kernels.gla_mixer import GLA_MIXER
from dig_models.kernels.norm_modulate import NORM_MODULATE
from dig_models.kernels.residual_conv import RESIDUAL_CONV
from dig_models.kernels.residual_conv_norm_modulate import RESIDUAL_CONV_NORM_MODULATE
from dig_models.kernels.swiglu_mlp import SWIGLU_MLP
from dig_models.layers.conditioning import adaln_modulation
from dig_models.layers.gated_linear_attention import GATE_RANK, GatedLinearAttention, recurrence_flops
from dig_models.layers.mlp import SwiGLU, swiglu_hidden, xavier_linear
from dig_models.layers.norm_ahead import Modulation, Normed, linked, tokens_of
from dig_models.layers.scan_order import DepthwiseConv, ScanOrder

SIZES = {"S": (384, 12, 6), "B": (768, 12, 12), "L": (1024, 24, 16), "XL": (1152, 28, 18)}
"""Width, depth and heads (arXiv 2405.18428, table 1). A head has 32 key and 64 value channels at every size."""

AROUND_THE_MIXER = (NORM_MODULATE, GATE_RESIDUAL_NORM_MODULATE, SWIGLU_MLP, RESIDUAL_CONV)
"""Operations of a block, without its mixer and its projections."""


@dataclass(frozen=True, kw_only=True)
class DiGConfig(BackboneConfig):
    num_heads: int
    skip: bool = False
    """Published `-skip` variants: a block of the second half also sees the output of a block of the first half."""

    def __post_init__(self) -> None:
        if self.skip and self.depth % 2:
            raise ValueError(f"DiG with skips pairs its blocks, so its depth cannot be odd: {self.depth}")


# B batch, T tokens of a grid, D width, M channels of all six modulation vectors
class DiGBlock(nn.Module):
    """adaLN-Zero block: gated linear attention, SwiGLU MLP, then SREM's depthwise convolution."""

    def __init__(self, width: int, num_heads: int, backend: Mapping[str, str], *, skip: bool = False) -> None:
        super().__init__()
        self.backend = backend
        self.attn = GatedLinearAttention(width, num_heads, backend)
        self.mlp = SwiGLU(width, backend["swiglu_mlp"])
        self.adaLN_modulation = adaln_modulation(width, 6)
        self.dw_conv = DepthwiseConv(width, backend["residual_conv"])
        self.skip_linear = xavier_linear(2 * width, width) if skip else None
        self.norms_ahead = RESIDUAL_CONV_NORM_MODULATE.name in backend
        self.begins_with_norm = not skip

    def forward(
        self,
        x: Tensor | Normed,
        modulation_BM: Tensor,
        grid: tuple[int, int],
        order: ScanOrder,
        skip_BTD: Tensor | None = None,
        ahead: Modulation | None = None,
    ) -> Tensor | Normed:
        """(B, T, D) -> (B, T, D). With `ahead`, also computes the next block's first norm (layers/norm_ahead.py)."""
        if self.skip_linear is not None:
            assert isinstance(x, Tensor)
            assert skip_BTD is not None
            x = self.skip_linear(torch.cat([x, skip_BTD], dim=-1))
        mixer_shift, mixer_scale, mixer_gate, mlp_shift, mlp_scale, mlp_gate = modulation_BM.chunk(6, dim=1)
        if not isinstance(x, Normed):
            x = Normed(x, NORM_MODULATE.of(self.backend)(x, mixer_shift, mixer_scale))
        mixed_BTD = self.attn(x.normed, grid, order)
        x_BTD, normed_BTD = GATE_RESIDUAL_NORM_MODULATE.of(self.backend)(
            x.tokens, mixer_gate, mixed_BTD, mlp_shift, mlp_scale
        )
        y_BTD = self.mlp(normed_BTD)
        if ahead is None:
            convolved_BTD: Tensor = self.dw_conv(x_BTD, mlp_gate, y_BTD, grid, order)
            return convolved_BTD
        conv = self.dw_conv
        return Normed(
            *RESIDUAL_CONV_NORM_MODULATE.of(self.backend)(
                x_BTD, mlp_gate, y_BTD, conv.weight, conv.bias, *ahead, grid, order
            )
        )

    @staticmethod
    def flops(width: int, num_heads: int, tokens: int, batch_size: int) -> dict[str, int]:
        """Returns the FLOPs of a block without skip, for `tokens` tokens of all images together."""
        keys = width // 2
        projections = width * (2 * keys + 3 * width + GATE_RANK) + GATE_RANK * keys
        return {
            "conditioning": 2 * batch_size * 6 * width**2,
            "mixer_projections": 2 * tokens * projections,
            "mixer_core": recurrence_flops(tokens, keys, width // num_heads),
            "mlp": 2 * tokens * 3 * width * swiglu_hidden(width),
            "srem": 2 * tokens * 9 * width,
        }


class DiG(AdaLNBackbone):
    """DiG(DiGConfig(...), backend="chunked").

    Published depths are multiples of four, after which SREM returns to its first order. At other depths the published
    code leaves the tokens in the order that it has reached. This class does the same, to be the same function.
    """

    config: DiGConfig
    operations: ClassVar = {
        op.name: op
        for op in (
            GATED_LINEAR_ATTENTION,
            GATED_NORM,
            GLA_MIXER,
            *AROUND_THE_MIXER,
            RESIDUAL_CONV_NORM_MODULATE,
            *AROUND_THE_BLOCKS,
        )
    }
    backends: ClassVar = {
        name: {
            "gated_linear_attention": name,
            "gated_norm": "reference",
            **{op.name: "reference" for op in AROUND_THE_MIXER},
        }
        for name in ("reference", "chunked")
    } | {
        # The published code, with the modules of flash-linear-attention that it takes.
        "fla": {
            "gated_linear_attention": "fla",
            "gated_norm": "fla",
            **{op.name: "reference" for op in AROUND_THE_MIXER},
            "swiglu_mlp": "fla",
        },
        "fused": {
            "gla_mixer": "fused",
            **{op.name: "fused" for op in (*AROUND_THE_MIXER, RESIDUAL_CONV_NORM_MODULATE)},
            **FUSED_AROUND_THE_BLOCKS,
        },
    }
    default_backends: ClassVar = {"cpu": "chunked", "cuda": "fla"}
    uncounted: ClassVar = frozenset({"mixer_core"})

    def __init__(self, config: DiGConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        self.blocks = nn.ModuleList(
            DiGBlock(
                config.width, config.num_heads, self.implementations, skip=config.skip and index > config.depth // 2
            )
            for index in range(config.depth)
        )
        self._make_modulations_adjacent()

    def mix(self, x_BTD: Tensor, condition_BD: Tensor, grid: tuple[int, int]) -> Tensor:
        skips: list[tuple[ScanOrder, Tensor]] = []
        order = ScanOrder.ROWS
        x: Tensor | Normed = x_BTD
        blocks = list(self.blocks)
        for index, (block, modulation_BM, ahead) in enumerate(linked(blocks, self.modulations(condition_BD, blocks))):
            skip_BTD = None
            if block.skip_linear is not None:
                # The published code joins a skip by position in the sequence, whatever order the two sides are in.
                written_in, skip_BTD = skips.pop()
                skip_BTD = order.unscan(written_in.scan(skip_BTD, grid), grid)
            x = block(x, modulation_BM, grid, order, skip_BTD, ahead)
            order = ScanOrder.of_block(index + 1)
            if self.config.skip and index < self.config.depth // 2 - 1:
                skips.append((order, tokens_of(x)))
        return order.scan(tokens_of(x), grid)

    def mix_flops(self, batch_size: int) -> dict[str, int]:
        width, depth = self.config.width, self.config.depth
        tokens = batch_size * self.config.num_tokens
        block = DiGBlock.flops(width, self.config.num_heads, tokens, batch_size)
        components = {name: depth * flops for name, flops in block.items()}
        if self.config.skip:
            components["skip"] = (depth // 2 - 1) * 2 * tokens * 2 * width**2
        return components
