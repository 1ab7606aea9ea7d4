"""DiT: Scalable Diffusion Models with Transformers. Peebles and Xie, ICCV 2023, arXiv 2212.09748."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from dig_models.adaln_backbone import AROUND_THE_BLOCKS, FUSED_AROUND_THE_BLOCKS, AdaLNBackbone
from dig_models.backbone import BackboneConfig
from dig_models.kernels.attention import ATTENTION
from dig_models.kernels.gate_residual import GATE_RESIDUAL
from dig_models.kernels.gate_residual_norm_modulate import GATE_RESIDUAL_NORM_MODULATE
from dig_models.kernels.linear_gelu import LINEAR_GELU
from dig_models.kernels.norm_modulate import NORM_MODULATE
from dig_models.layers.attention import Attention
from dig_models.layers.conditioning import adaln_modulation
from dig_models.layers.mlp import GeluMLP
from dig_models.layers.norm_ahead import Modulation, Normed, linked, tokens_of

SIZES = {"S": (384, 12, 6), "B": (768, 12, 12), "L": (1024, 24, 16), "XL": (1152, 28, 16)}
"""Width, depth and heads: arXiv 2212.09748, table 1."""

AROUND_THE_MIXER = (NORM_MODULATE, GATE_RESIDUAL_NORM_MODULATE, LINEAR_GELU, GATE_RESIDUAL)
"""Operations of a block, without its mixer and its projections."""


@dataclass(frozen=True, kw_only=True)
class DiTConfig(BackboneConfig):
    num_heads: int


# B batch, T tokens, D width, M channels of all six modulation vectors
class DiTBlock(nn.Module):
    """adaLN-Zero block: attention and MLP, each between a modulated norm and a gate."""

    def __init__(self, config: DiTConfig, backend: Mapping[str, str]) -> None:
        super().__init__()
        self.backend = backend
        self.attn = Attention(config.width, config.num_heads, backend["attention"])
        self.mlp = GeluMLP(config.width, backend["linear_gelu"])
        self.adaLN_modulation = adaln_modulation(config.width, 6)
        # The reference computes each norm in its own block.
        self.norms_ahead = backend[GATE_RESIDUAL_NORM_MODULATE.name] != "reference"
        self.begins_with_norm = True

    def forward(self, x: Tensor | Normed, modulation_BM: Tensor, ahead: Modulation | None = None) -> Tensor | Normed:
        """(B, T, D) -> (B, T, D). With `ahead`, also computes the next block's first norm (layers/norm_ahead.py)."""
        mixer_shift, mixer_scale, mixer_gate, mlp_shift, mlp_scale, mlp_gate = modulation_BM.chunk(6, dim=1)
        if not isinstance(x, Normed):
            x = Normed(x, NORM_MODULATE.of(self.backend)(x, mixer_shift, mixer_scale))
        join_and_norm = GATE_RESIDUAL_NORM_MODULATE.of(self.backend)
        x_BTD, normed_BTD = join_and_norm(x.tokens, mixer_gate, self.attn(x.normed), mlp_shift, mlp_scale)
        y_BTD = self.mlp(normed_BTD)
        if ahead is not None:
            return Normed(*join_and_norm(x_BTD, mlp_gate, y_BTD, *ahead))
        r_BTD: Tensor = GATE_RESIDUAL.of(self.backend)(x_BTD, mlp_gate, y_BTD)
        return r_BTD


class DiT(AdaLNBackbone):
    """DiT(DiTConfig(...), backend="math")."""

    config: DiTConfig
    operations: ClassVar = {op.name: op for op in (ATTENTION, *AROUND_THE_MIXER, *AROUND_THE_BLOCKS)}
    backends: ClassVar = {
        name: {"attention": name, **{op.name: "reference" for op in AROUND_THE_MIXER}}
        for name in ATTENTION.implementations
    } | {
        name: {"attention": attention, **{op.name: "fused" for op in AROUND_THE_MIXER}, **FUSED_AROUND_THE_BLOCKS}
        # cuDNN's attention trains; FlashAttention-3 is faster on a Hopper GPU, and forward only.
        for name, attention in {"fused": "cudnn", "fused-flash3": "flash3"}.items()
    }
    reference_backend = "math"
    default_backends: ClassVar = {"cpu": "sdpa", "cuda": "flash2"}

    def __init__(self, config: DiTConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        self.blocks = nn.ModuleList(DiTBlock(config, self.implementations) for _ in range(config.depth))
        self._make_modulations_adjacent()

    def mix(self, x_BTD: Tensor, condition_BD: Tensor, grid: tuple[int, int]) -> Tensor:
        x: Tensor | Normed = x_BTD
        blocks = list(self.blocks)
        for block, modulation_BM, ahead in linked(blocks, self.modulations(condition_BD, blocks)):
            x = block(x, modulation_BM, ahead)
        return tokens_of(x)

    def mix_flops(self, batch_size: int) -> dict[str, int]:
        width, depth = self.config.width, self.config.depth
        tokens = batch_size * self.config.num_tokens
        return {
            "conditioning": depth * 2 * batch_size * 6 * width**2,
            "mixer_projections": depth * 2 * tokens * 4 * width**2,
            "mixer_core": depth * 2 * tokens * 2 * self.config.num_tokens * width,
            "mlp": depth * 2 * tokens * 8 * width**2,
        }
