"""Fused operations at the sizes that benchmarks/kernels/operations.py measures: tensors, bytes and FLOPs."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dig_models.kernels.gate_residual import GATE_RESIDUAL
from dig_models.kernels.gate_residual_norm_modulate import GATE_RESIDUAL_NORM_MODULATE
from dig_models.kernels.gla_mixer import GATE_RANK, GLA_MIXER, KEY_CHANNELS, VALUE_CHANNELS
from dig_models.kernels.linear_gelu import LINEAR_GELU
from dig_models.kernels.norm_modulate import NORM_MODULATE
from dig_models.kernels.op import KernelOp
from dig_models.kernels.residual_conv import RESIDUAL_CONV
from dig_models.kernels.residual_conv_norm_modulate import RESIDUAL_CONV_NORM_MODULATE
from dig_models.kernels.swiglu_mlp import SWIGLU_MLP
from dig_models.layers.mlp import swiglu_hidden

OPERATIONS = (
    NORM_MODULATE,
    GATE_RESIDUAL,
    GATE_RESIDUAL_NORM_MODULATE,
    RESIDUAL_CONV,
    RESIDUAL_CONV_NORM_MODULATE,
    GLA_MIXER,
    SWIGLU_MLP,
    LINEAR_GELU,
)
SIZES = [(1, 128, 1152), (1, 112, 384), (64, 16, 384)]
"""Images, tokens along a side, width."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Operation at one size."""

    op: KernelOp
    batch: int
    side: int
    width: int

    @property
    def tokens(self) -> int:
        """Tokens of all images."""
        return self.batch * self.side**2

    @property
    def hidden(self) -> int:
        """Hidden channels of the MLP."""
        return 4 * self.width if self.op is LINEAR_GELU else swiglu_hidden(self.width)

    @property
    def projected(self) -> int:
        """Channels of the mixer's input."""
        return self.width // VALUE_CHANNELS * 2 * (KEY_CHANNELS + VALUE_CHANNELS) + GATE_RANK

    @property
    def has_comparison(self) -> bool:
        """Returns whether the reference is a comparison: that of the mixer is a slow loop over tokens."""
        return self.op is not GLA_MIXER

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of tensors with gradients, in the operation's order.

        `modulation` holds shift, scale and gate.
        """
        D, M, tokens = self.width, self.hidden, (self.batch, self.side**2)
        keys = D * KEY_CHANNELS // VALUE_CHANNELS
        one = {"x": (*tokens, D), "modulation": (self.batch, 6 * D)}
        two = {**one, "y": (*tokens, D)}
        convolved = {**two, "weight": (D, 1, 3, 3), "bias": (D,)}
        shapes: dict[str, dict[str, tuple[int, ...]]] = {
            "norm_modulate": one,
            "gate_residual": two,
            "gate_residual_norm_modulate": two,
            "residual_conv": convolved,
            "residual_conv_norm_modulate": convolved,
            "gla_mixer": {
                "projected": (*tokens, self.projected),
                "gate_up": (keys, GATE_RANK),
                "gate_bias": (keys,),
                "norm_weight": (VALUE_CHANNELS,),
            },
            "swiglu_mlp": {"x": (*tokens, D), "first": (2 * M, D), "second": (D, M)},
            "linear_gelu": {"x": (*tokens, D), "first": (M, D), "bias": (M,)},
        }
        return shapes[self.op.name]

    def noise(self, dtype: torch.dtype = torch.bfloat16, device: str = "cuda") -> dict[str, Tensor]:
        """Returns seeded noise. Weights are scaled so that GEMMs keep its variance."""
        generator = torch.Generator(device).manual_seed(0)
        tensors = {}
        for name, shape in self.shapes().items():
            tensor = torch.randn(*shape, generator=generator, device=device)
            scale = shape[1] ** -0.5 if name in ("first", "second", "gate_up") else 1.0
            tensors[name] = (scale * tensor).to(dtype).requires_grad_()
        return tensors

    def arguments(self, leaves: dict[str, Tensor]) -> tuple[Any, ...]:
        """Returns the arguments of the operation. Shift, scale and gate are views, as in a block."""
        grid = (self.side, self.side)
        if "modulation" not in leaves:
            return (*leaves.values(), grid, 2) if self.op is GLA_MIXER else tuple(leaves.values())
        shift, scale, gate = leaves["modulation"].chunk(6, dim=1)[:3]
        if self.op is NORM_MODULATE:
            return leaves["x"], shift, scale
        gated = leaves["x"], gate, leaves["y"]
        if self.op is GATE_RESIDUAL_NORM_MODULATE:
            return *gated, shift, scale
        if self.op is GATE_RESIDUAL:
            return gated
        modulation = (shift, scale) if self.op is RESIDUAL_CONV_NORM_MODULATE else ()
        return *gated, leaves["weight"], leaves["bias"], *modulation, grid, 2

    def step(self, leaves: dict[str, Tensor], implementation: str = "fused") -> tuple[Tensor, ...]:
        """Runs forward without gradients, then forward and backward. Returns the gradients of all leaves."""
        function = self.op[implementation]
        with torch.no_grad():
            outputs = function(*self.arguments(leaves))
        cotangents = list(map(torch.randn_like, outputs if isinstance(outputs, tuple) else (outputs,)))
        return torch.autograd.grad(function(*self.arguments(leaves)), list(leaves.values()), cotangents)

    def channels(self) -> tuple[int, int]:
        """Returns the channels per token that have to go through memory, forward and backward. Ignores weights."""
        D, M, P = self.width, self.hidden, self.projected
        return {
            "norm_modulate": (2 * D, 3 * D),
            "gate_residual": (3 * D, 3 * D),
            "gate_residual_norm_modulate": (4 * D, 6 * D),
            "residual_conv": (3 * D, 5 * D),
            "residual_conv_norm_modulate": (4 * D, 7 * D),
            "gla_mixer": (P + D, 2 * P + D),
            "swiglu_mlp": (2 * D + 2 * M, 3 * D + 8 * M),
            "linear_gelu": (D + M, 2 * D + 3 * M),
        }[self.op.name]

    def flops(self) -> int:
        """Returns the FLOPs of the GEMMs of a forward pass. A backward pass has twice as many."""
        gemm_channels = {"swiglu_mlp": 3 * self.hidden, "linear_gelu": self.hidden}
        return 2 * self.tokens * self.width * gemm_channels.get(self.op.name, 0)
