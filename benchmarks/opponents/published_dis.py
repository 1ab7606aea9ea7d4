"""DiS as its authors run it, operation by operation, on the parameters of this project's DiS.

Differs from `DiS` in how it runs, not in what it computes: the projections run on the tokens that there are, a number
that no GEMM kernel likes, and the projections to steps and states follow the order of mamba-ssm's fused function.
`Kernels.mamba()` takes the functions of mamba-ssm that the authors take, and causal-conv1d if it is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dig_models import DiS
from dig_models.dis import CONDITION_TOKENS, STATES, BidirectionalMamba
from dig_models.kernels.causal_conv import CAUSAL_CONV
from dig_models.kernels.residual_norm import RESIDUAL_NORM
from dig_models.kernels.selective_scan import SELECTIVE_SCAN
from dig_models.layers.conditioning import timestep_embedding
from dig_models.layers.patchify import unpatchify


class Kernels(NamedTuple):
    """Functions of three operations, with the signatures of this project's."""

    scan: Callable[..., Tensor]
    conv: Callable[..., Tensor]
    norm: Callable[..., tuple[Tensor, Tensor]]

    @staticmethod
    def plain() -> Kernels:
        """Plain PyTorch."""
        return Kernels(SELECTIVE_SCAN["chunked"], CAUSAL_CONV["reference"], RESIDUAL_NORM["reference"])

    @staticmethod
    def mamba() -> Kernels:
        """Raises ImportError if mamba-ssm is not installed."""
        return Kernels(SELECTIVE_SCAN["mamba-ssm"], CAUSAL_CONV["mamba-ssm"], RESIDUAL_NORM["mamba-ssm"])


# B batch, L tokens, W width, D inner channels
class PublishedDiS(nn.Module):
    """Takes a latent (B, C, H, W), timesteps (B,) and labels (B,), and returns (B, 2 C, H, W)."""

    def __init__(self, network: DiS, kernels: Kernels) -> None:
        super().__init__()
        self.network = network
        self.kernels = kernels
        self.config = network.config

    def forward(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        network = self.network
        grid = network.patch_embed.grid(latent_BCHW)
        sinusoids_BW = timestep_embedding(timestep_B, self.config.width).to(network.pos_embed.dtype)
        time_BW, label_BW = network.time_embed(sinusoids_BW), network.label_emb(label_B)
        image_BTW = network.patch_embed.proj(latent_BCHW).flatten(2).transpose(1, 2)
        x_BLW = torch.cat([label_BW.unsqueeze(1), time_BW.unsqueeze(1), image_BTW], dim=1) + network.pos_embed
        residual_BLW = torch.zeros_like(x_BLW, dtype=torch.float32)
        skips: list[Tensor] = []
        blocks = (*network.in_blocks, network.mid_block, *network.out_blocks)
        for index, block in enumerate(blocks):
            if block.skip_linear is not None:
                x_BLW = block.skip_linear(torch.cat([x_BLW, skips.pop()], dim=-1))
            normed_BLW, residual_BLW = self.kernels.norm(x_BLW, residual_BLW, block.norm.weight)
            x_BLW = self._mixer(block.mixer, normed_BLW)
            if index < len(network.in_blocks):
                skips.append(x_BLW)
        normed_BLW, _ = self.kernels.norm(x_BLW, residual_BLW, network.norm_f.weight)
        patches_BLP = network.final_layer(normed_BLW, time_BW + label_BW)
        return unpatchify(patches_BLP[:, CONDITION_TOKENS:], grid, self.config.patch_size)

    def _mixer(self, mixer: BidirectionalMamba, x_BLW: Tensor) -> Tensor:
        B, L, _ = x_BLW.shape
        xz_BEL = (mixer.in_proj.weight @ x_BLW.flatten(0, 1).t()).unflatten(1, (B, L)).transpose(0, 1)
        ahead = (mixer.conv1d, mixer.x_proj, mixer.dt_proj, mixer.A_log, mixer.D)
        back = (mixer.conv1d_b, mixer.x_proj_b, mixer.dt_proj_b, mixer.A_b_log, mixer.D_b)
        mixed_BDL = self._scan(xz_BEL, *ahead) + self._scan(xz_BEL.flip(-1), *back).flip(-1)
        return mixer.out_proj(mixed_BDL.transpose(1, 2))

    def _scan(
        self, xz_BEL: Tensor, conv: nn.Conv1d, x_proj: nn.Linear, dt_proj: nn.Linear, A_log: Tensor, D: Tensor
    ) -> Tensor:
        B, _, L = xz_BEL.shape
        x_BDL, z_BDL = xz_BEL.chunk(2, dim=1)
        x_BDL = self.kernels.conv(x_BDL, conv.weight, conv.bias)
        projected = x_proj(x_BDL.transpose(1, 2).flatten(0, 1))
        step, B_MN, C_MN = projected.split([dt_proj.in_features, STATES, STATES], dim=-1)
        delta_BDL = (dt_proj.weight @ step.t()).unflatten(1, (B, L)).transpose(0, 1)
        B_BNL, C_BNL = (each.unflatten(0, (B, L)).transpose(1, 2).contiguous() for each in (B_MN, C_MN))
        return self.kernels.scan(x_BDL, delta_BDL, -A_log.float().exp(), B_BNL, C_BNL, D, z_BDL, dt_proj.bias)
