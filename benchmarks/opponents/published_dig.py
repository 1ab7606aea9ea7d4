"""DiG as its authors run it, operation by operation, on the parameters of this project's DiG.

Differs from `DiG` in how it runs, not in what it computes: the tokens are flipped after each block and transposed after
every second, modulation, gate and residual are separate multiplications and additions, and the tokens have the memory
layout that the patch embedding gives them. `Kernels.fla()` takes the functions of fla-core that the authors take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from dig_models import DiG
from dig_models.dig import DiGBlock
from dig_models.kernels.gated_linear_attention import GATED_LINEAR_ATTENTION
from dig_models.kernels.gated_norm import GATED_NORM
from dig_models.layers.gated_linear_attention import GATE_NORMALIZER, GatedLinearAttention
from dig_models.layers.patchify import unpatchify


class Kernels(NamedTuple):
    """Functions of three operations: recurrence, gated norm, and SwiGLU with the linear layer after it."""

    recurrence: Callable[..., Tensor]
    gated_norm: Callable[..., Tensor]
    swiglu_linear: Callable[..., Tensor]

    @staticmethod
    def plain() -> Kernels:
        """Plain PyTorch."""

        def swiglu_linear(gate: Tensor, up: Tensor, weight: Tensor, bias: None) -> Tensor:
            return F.linear(F.silu(gate) * up, weight, bias)

        return Kernels(GATED_LINEAR_ATTENTION["chunked"], GATED_NORM["reference"], swiglu_linear)

    @staticmethod
    def fla() -> Kernels:
        """Raises ImportError if fla-core is not installed."""
        from fla.modules.activations import swiglu_linear
        from fla.modules.norm.fused_norm_gate import rms_norm_gated
        from fla.ops.gla import chunk_gla

        def gated_norm(o: Tensor, gate: Tensor, weight: Tensor) -> Tensor:
            return rms_norm_gated(o, gate, weight, None, activation="swish", eps=1e-6)

        return Kernels(lambda *qkvg: chunk_gla(*qkvg)[0], gated_norm, swiglu_linear)


# B batch, C latent channels, H W latent height and width, T tokens, D width
class PublishedDiG(nn.Module):
    """Takes a latent (B, C, H, W), timesteps (B,) and labels (B,), and returns (B, 2 C, H, W)."""

    def __init__(self, network: DiG, kernels: Kernels) -> None:
        super().__init__()
        self.network = network
        self.kernels = kernels
        self.config = network.config

    def forward(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        network = self.network
        grid = network.x_embedder.grid(latent_BCHW)
        x_BTD = network.x_embedder.proj(latent_BCHW).flatten(2).transpose(1, 2) + network.pos_embed
        condition_BD = network.t_embedder(timestep_B) + network.y_embedder(label_B)
        for index, block in enumerate(network.blocks):
            x_BTD = self._block(block, x_BTD, condition_BD, grid).flip(1)
            if index % 2:
                x_BTD = x_BTD.reshape(len(x_BTD), *grid, -1).transpose(1, 2).flatten(1, 2)
        shift_BD, scale_BD = network.final_layer.adaLN_modulation(condition_BD).chunk(2, dim=1)
        patches_BTP = network.final_layer.linear(modulated_norm(x_BTD, shift_BD, scale_BD))
        return unpatchify(patches_BTP, grid, self.config.patch_size)

    def _block(self, block: DiGBlock, x_BTD: Tensor, condition_BD: Tensor, grid: tuple[int, int]) -> Tensor:
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = block.adaLN_modulation(condition_BD).chunk(6, dim=1)
        x_BTD = x_BTD + gate.unsqueeze(1) * self._mixer(block.attn, modulated_norm(x_BTD, shift, scale))
        gate_BTM, up_BTM = block.mlp.gate_proj(modulated_norm(x_BTD, mlp_shift, mlp_scale)).chunk(2, dim=-1)
        mlp_BTD = self.kernels.swiglu_linear(gate_BTM, up_BTM, block.mlp.down_proj.weight, None)
        x_BTD = x_BTD + mlp_gate.unsqueeze(1) * mlp_BTD
        image_BDHW = x_BTD.transpose(1, 2).reshape(len(x_BTD), -1, *grid)
        conv = block.dw_conv
        image_BDHW = F.conv2d(image_BDHW, conv.weight, conv.bias, padding=1, groups=conv.groups)
        return image_BDHW.flatten(2).transpose(1, 2)

    def _mixer(self, mixer: GatedLinearAttention, x_BTD: Tensor) -> Tensor:
        projected = [project(x_BTD) for project in (mixer.q_proj, mixer.k_proj, mixer.v_proj, mixer.gk_proj)]
        q, k, v, gate = (each.unflatten(-1, (mixer.num_heads, -1)) for each in projected)
        o_BTHV = self.kernels.recurrence(q, k, v, F.logsigmoid(gate) / GATE_NORMALIZER)
        g_BTHV = mixer.g_proj(x_BTD).unflatten(-1, (mixer.num_heads, -1))
        return mixer.o_proj(self.kernels.gated_norm(o_BTHV, g_BTHV, mixer.g_norm_swish_gate.weight).flatten(2))


def modulated_norm(x_BTD: Tensor, shift_BD: Tensor, scale_BD: Tensor) -> Tensor:
    normed_BTD = F.layer_norm(x_BTD, x_BTD.shape[-1:], eps=1e-6)
    return normed_BTD * (1 + scale_BD.unsqueeze(1)) + shift_BD.unsqueeze(1)
