"""DiS: Scalable Diffusion Models with State Space Backbone. Fei et al., arXiv 2402.05608.

Differences from the published code: other grids than the config's, with an interpolated position embedding; the size
XL; and the two condition tokens are dropped before the last projection instead of after it, with equal
results. The published code also trains with stochastic depth; this one does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dig_models.backbone import Backbone, BackboneConfig, FlopCount
from dig_models.kernels.causal_conv import CAUSAL_CONV
from dig_models.kernels.residual_norm import NORM_EPS, RESIDUAL_NORM
from dig_models.kernels.selective_scan import SELECTIVE_SCAN
from dig_models.layers.conditioning import FinalLayer, LabelEmbedder, timestep_embedding
from dig_models.layers.patchify import PatchEmbed, unpatchify

SIZES = {"S": (368, 24), "B": (768, 24), "M": (768, 48), "L": (1024, 48), "H": (1536, 48), "XL": (1152, 56)}
"""Width and depth, as published. This project added XL: the width of DiT-XL and, as in DiS, twice its depth."""

STATES = 16
"""States of a channel (N), Mamba's default."""
CONVOLUTION = 4
"""Kernel size of the causal convolution, in tokens."""
CONDITION_TOKENS = 2
"""Tokens in front of the image tokens: one for the label, one for the timestep."""
GEMM_ALIGNMENT = 8
"""Multiple of tokens that GEMMs of two-byte types take on a GPU to load and store 16 bytes at a time.

Tokens come last in a mixer, and image tokens with condition tokens are never a multiple of it.
"""


@dataclass(frozen=True, kw_only=True)
class DiSConfig(BackboneConfig):
    @property
    def num_blocks(self) -> int:
        """Number of blocks: depth // 2 that give a skip, one in the middle, depth // 2 that take one."""
        return 2 * (self.depth // 2) + 1


# B batch, L condition and image tokens, P padded tokens, W width, D = 2 W inner channels, N states, R rank of the step
class BidirectionalMamba(nn.Module):
    """Two selective scans, one over the flipped sequence, between shared projections: (B, L, W) -> (B, L, W).

    The mixer of Vision Mamba (Zhu et al., arXiv 2401.09417). Parameters of the flipped direction are named `*_b`.
    With `alignment`, the projections run on a multiple of that many tokens. The padding follows the last token in both
    directions, so that no token sees it.
    """

    def __init__(self, width: int, backend: Mapping[str, str], *, alignment: int = 1) -> None:
        super().__init__()
        self.backend = backend
        self.alignment = alignment
        inner, rank = 2 * width, step_rank(width)
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv1d, self.conv1d_b = (causal_convolution(inner) for _ in range(2))
        self.x_proj, self.x_proj_b = (nn.Linear(inner, rank + 2 * STATES, bias=False) for _ in range(2))
        self.dt_proj, self.dt_proj_b = (nn.Linear(rank, inner) for _ in range(2))
        log_states_DN = torch.arange(1.0, 1 + STATES).log().repeat(inner, 1)
        self.A_log, self.A_b_log = (nn.Parameter(log_states_DN.clone()) for _ in range(2))
        self.D, self.D_b = (nn.Parameter(torch.ones(inner)) for _ in range(2))
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x_BLW: Tensor) -> Tensor:
        tokens = x_BLW.shape[1]
        padding = -tokens % self.alignment
        # No bias: the padding stays zero.
        x_BDP, z_BDP = project(self.in_proj, F.pad(x_BLW, (0, 0, 0, padding)).transpose(1, 2)).chunk(2, dim=1)
        z_BDL = z_BDP[..., :tokens]
        forward_BDL = self._scan(x_BDP, z_BDL, self.conv1d, self.x_proj, self.dt_proj, self.A_log, self.D)
        flipped_BDP, z_BDL = F.pad(x_BDP[..., :tokens].flip(-1), (0, padding)), z_BDL.flip(-1)
        backward_BDL = self._scan(
            flipped_BDP, z_BDL, self.conv1d_b, self.x_proj_b, self.dt_proj_b, self.A_b_log, self.D_b
        ).flip(-1)
        mixed_BDP = F.pad(forward_BDL + backward_BDL, (0, padding))
        mixed_BLW: Tensor = self.out_proj(mixed_BDP.transpose(1, 2))[:, :tokens]
        return mixed_BLW

    def _scan(
        self,
        x_BDP: Tensor,
        z_BDL: Tensor,
        convolution: nn.Conv1d,
        x_proj: nn.Linear,
        dt_proj: nn.Linear,
        A_log_DN: Tensor,
        D_D: Tensor,
    ) -> Tensor:
        """Scans in one direction: padded signal (B, D, P) and gate (B, D, L) -> (B, D, L)."""
        x_BDP = CAUSAL_CONV.of(self.backend)(x_BDP, convolution.weight, convolution.bias)
        step_BRP, B_BNP, C_BNP = project(x_proj, x_BDP).split([dt_proj.in_features, STATES, STATES], dim=1)
        delta_BDP = project(dt_proj, step_BRP)
        x_BDL, delta_BDL, B_BNL, C_BNL = (x[..., : z_BDL.shape[-1]] for x in (x_BDP, delta_BDP, B_BNP, C_BNP))
        A_DN = -A_log_DN.float().exp()
        y_BDL: Tensor = SELECTIVE_SCAN.of(self.backend)(x_BDL, delta_BDL, A_DN, B_BNL, C_BNL, D_D, z_BDL, dt_proj.bias)
        return y_BDL

    @torch.no_grad()
    def initialise(self, depth: int) -> None:
        """Initializes as Mamba: steps log-uniform in [0.001, 0.1], residual branches scaled by depth**-0.5.

        The flipped direction keeps PyTorch's initialization of its steps, as published.
        """
        nn.init.uniform_(self.dt_proj.weight, -(self.dt_proj.in_features**-0.5), self.dt_proj.in_features**-0.5)
        step_D = torch.empty_like(self.dt_proj.bias).uniform_(math.log(0.001), math.log(0.1)).exp()
        inverse_softplus_D = step_D + torch.log(-torch.expm1(-step_D))
        self.dt_proj.bias.copy_(inverse_softplus_D)
        self.out_proj.weight.div_(depth**0.5)


class ResidualNorm(nn.RMSNorm):
    """Adds to the residual stream, which is fp32 at every precision, and norms the sum."""

    def __init__(self, width: int, implementation: str) -> None:
        super().__init__(width, eps=NORM_EPS)
        self.implementation = implementation

    def forward(self, x_BLW: Tensor, residual_BLW: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Returns the norm, in the dtype of the weight, and the sum: (B, L, W) each."""
        normed_BLW, sum_BLW = RESIDUAL_NORM[self.implementation](x_BLW, residual_BLW, self.weight)
        return normed_BLW, sum_BLW


class DiSBlock(nn.Module):
    """Adds, norms, mixes. Takes and returns the output of a mixer, and the residual stream before it is added."""

    def __init__(self, width: int, backend: Mapping[str, str], *, skip: bool = False) -> None:
        super().__init__()
        on_gpu = backend["selective_scan"] == "mamba-ssm"
        self.mixer = BidirectionalMamba(width, backend, alignment=GEMM_ALIGNMENT if on_gpu else 1)
        self.norm = ResidualNorm(width, backend["residual_norm"])
        self.skip_linear = nn.Linear(2 * width, width) if skip else None

    def forward(self, x_BLW: Tensor, residual_BLW: Tensor, skip_BLW: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.skip_linear is not None:
            assert skip_BLW is not None
            x_BLW = self.skip_linear(torch.cat([x_BLW, skip_BLW], dim=-1))
        normed_BLW, residual_BLW = self.norm(x_BLW, residual_BLW)
        return self.mixer(normed_BLW), residual_BLW


class DiS(Backbone):
    """DiS(DiSConfig(...), backend="chunked")."""

    config: DiSConfig
    operations: ClassVar = {op.name: op for op in (SELECTIVE_SCAN, CAUSAL_CONV, RESIDUAL_NORM)}
    backends: ClassVar = {
        name: {"selective_scan": name, "causal_conv": "reference", "residual_norm": "reference"}
        for name in ("reference", "chunked")
    } | {"mamba-ssm": dict.fromkeys(operations, "mamba-ssm")}
    default_backends: ClassVar = {"cpu": "chunked", "cuda": "mamba-ssm"}
    uncounted: ClassVar = frozenset({"mixer_core"})

    def __init__(self, config: DiSConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        width, half = config.width, config.depth // 2
        kernels = self.implementations
        self.patch_embed = PatchEmbed(config.patch_size, config.in_channels, width)
        self.time_embed = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
        self.label_emb = LabelEmbedder(config.num_classes, width, config.label_dropout)
        self.pos_embed = nn.Parameter(torch.zeros(1, CONDITION_TOKENS + config.num_tokens, width))
        self.in_blocks = nn.ModuleList(DiSBlock(width, kernels) for _ in range(half))
        self.mid_block = DiSBlock(width, kernels)
        self.out_blocks = nn.ModuleList(DiSBlock(width, kernels, skip=True) for _ in range(half))
        self.norm_f = ResidualNorm(width, kernels["residual_norm"])
        self.final_layer = FinalLayer(width, config.patch_size, config.out_channels)
        self.apply(self._initialise)

    def forward(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        grid = self.patch_embed.grid(latent_BCHW)
        sinusoids_BW = timestep_embedding(timestep_B, self.config.width).to(self.pos_embed.dtype)
        time_BW, label_BW = self.time_embed(sinusoids_BW), self.label_emb(label_B)
        x_BLW = torch.cat([label_BW.unsqueeze(1), time_BW.unsqueeze(1), self.patch_embed(latent_BCHW)], dim=1)
        x_BLW = x_BLW + self._position(grid)

        residual_BLW = torch.zeros_like(x_BLW, dtype=torch.float32)
        skips = []
        for block in self.in_blocks:
            x_BLW, residual_BLW = block(x_BLW, residual_BLW)
            skips.append(x_BLW)
        x_BLW, residual_BLW = self.mid_block(x_BLW, residual_BLW)
        for block in self.out_blocks:
            x_BLW, residual_BLW = block(x_BLW, residual_BLW, skips.pop())

        normed_BLW, _ = self.norm_f(x_BLW, residual_BLW)
        patches_BTP = self.final_layer(normed_BLW[:, CONDITION_TOKENS:], time_BW + label_BW)
        return unpatchify(patches_BTP, grid, self.config.patch_size)

    def flops(self, batch_size: int) -> FlopCount:
        """Returns exact FLOPs by component.

        The two scans, `mixer_core`, take six operations per state and token: step A (1), decay (1), write step B u (2),
        read with C (2).
        """
        config, width = self.config, self.config.width
        inner, rank = 2 * width, step_rank(width)
        sequences = config.num_blocks * batch_size
        tokens = sequences * (CONDITION_TOKENS + config.num_tokens)
        in_and_out = 3 * width * inner
        of_a_direction = inner * (rank + 2 * STATES) + rank * inner
        patch_values = batch_size * config.num_tokens * config.patch_size**2
        return FlopCount(
            {
                "patchify": 2 * patch_values * config.in_channels * width,
                "conditioning": 2 * batch_size * (8 + 2) * width**2,
                "mixer_projections": 2 * tokens * (in_and_out + 2 * of_a_direction),
                # Includes the tokens past the end, which are cut off.
                "conv1d": 2 * 2 * (tokens + sequences * (CONVOLUTION - 1)) * inner * CONVOLUTION,
                "mixer_core": 2 * 6 * tokens * inner * STATES,
                "skip": 2 * (tokens // config.num_blocks) * (config.depth // 2) * 2 * width**2,
                "final_layer": 2 * patch_values * config.out_channels * width,
            }
        )

    def _position(self, grid: tuple[int, int]) -> Tensor:
        if grid == self.config.grid:
            return self.pos_embed
        condition_12W, image_1TW = self.pos_embed.tensor_split([CONDITION_TOKENS], dim=1)
        image_1WRC = image_1TW.float().transpose(1, 2).unflatten(2, self.config.grid)
        image_1WRC = F.interpolate(image_1WRC, grid, mode="bicubic")
        return torch.cat([condition_12W, image_1WRC.flatten(2).transpose(1, 2).to(condition_12W.dtype)], dim=1)

    def _initialise(self, module: nn.Module) -> None:
        """Initializes as published: PyTorch's defaults, zero biases in linear layers, Mamba's for the mixers."""
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.reset_parameters()
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, BidirectionalMamba):
            module.initialise(self.config.depth)


def step_rank(width: int) -> int:
    """Returns the rank R of the projection to the steps."""
    return -(-width // 16)


def causal_convolution(channels: int) -> nn.Conv1d:
    return nn.Conv1d(channels, channels, CONVOLUTION, groups=channels, padding=CONVOLUTION - 1)


def project(linear: nn.Linear, x_BIL: Tensor) -> Tensor:
    """Applies the weight of the layer: (B, I, L) -> (B, O, L). Tokens stay last, as the scan takes them."""
    return torch.einsum("oi,bil->bol", linear.weight, x_BIL)
