"""The mixer of a DiG block."""

from collections.abc import Callable, Mapping
from typing import Any, Self, cast

import torch.nn.functional as F
from torch import Tensor, nn

from dig_models.kernels.adjacent_weights import concatenated, make_adjacent
from dig_models.kernels.gated_linear_attention import GATED_LINEAR_ATTENTION
from dig_models.kernels.gated_norm import GATED_NORM, NORM_EPS
from dig_models.kernels.gla_mixer import GLA_MIXER, VALUE_CHANNELS
from dig_models.layers.mlp import xavier_linear
from dig_models.layers.scan_order import ScanOrder

GATE_RANK = 16
GATE_NORMALIZER = 16
"""Divisor of the log of the forget gate, which keeps the gate near one (arXiv 2312.06635, section 4.4)."""


# B batch, T tokens, D width, H heads, K key channels, V value channels of a head
class GatedLinearAttention(nn.Module):
    """(B, T, D) -> (B, T, D), causal along a scan order of the token grid.

    Keys have half the width of the model. The forget gate has rank 16 and one value per key channel. An RMS norm, whose
    weight the heads share, and a swish gate follow each head. `backend` names an implementation of gla_mixer, which
    computes everything between the projections, or one of gated_linear_attention and one of gated_norm.
    """

    def __init__(self, width: int, num_heads: int, backend: Mapping[str, str]) -> None:
        super().__init__()
        if width % (2 * num_heads):
            raise ValueError(f"width {width} cannot be split into {num_heads} heads with keys of half that width")
        if "gla_mixer" in backend and width != num_heads * VALUE_CHANNELS:
            raise ValueError(f"gla_mixer takes heads of {VALUE_CHANNELS} channels, not {num_heads} of {width} together")
        self.num_heads = num_heads
        self.backend = backend
        keys, gain = width // 2, 2**-2.5
        self.q_proj = xavier_linear(width, keys, bias=False, gain=gain)
        self.k_proj = xavier_linear(width, keys, bias=False, gain=gain)
        self.v_proj = xavier_linear(width, width, bias=False, gain=gain)
        self.g_proj = xavier_linear(width, width, bias=False, gain=gain)
        self.gk_proj = nn.Sequential(
            xavier_linear(width, GATE_RANK, bias=False, gain=gain), xavier_linear(GATE_RANK, keys, gain=gain)
        )
        self.g_norm_swish_gate = nn.RMSNorm(width // num_heads, eps=NORM_EPS)
        self.o_proj = xavier_linear(width, width, bias=False, gain=gain)
        self._make_weights_adjacent()

    def forward(self, x_BTD: Tensor, grid: tuple[int, int], order: ScanOrder) -> Tensor:
        mix = self._mix_at_once if "gla_mixer" in self.backend else self._mix_step_by_step
        return mix(x_BTD, grid, order)

    def _mix_at_once(self, x_BTD: Tensor, grid: tuple[int, int], order: ScanOrder) -> Tensor:
        projected_BTP = F.linear(x_BTD, concatenated(self._input_weights()))
        gate_up, norm_weight_V = self.gk_proj[1], self.g_norm_swish_gate.weight
        mixed_BTD = GLA_MIXER.of(self.backend)(projected_BTP, gate_up.weight, gate_up.bias, norm_weight_V, grid, order)
        y_BTD: Tensor = self.o_proj(mixed_BTD)
        return y_BTD

    def _mix_step_by_step(self, x_BTD: Tensor, grid: tuple[int, int], order: ScanOrder) -> Tensor:
        x_BTD = order.scan(x_BTD, grid)
        mix = GATED_LINEAR_ATTENTION.of(self.backend)
        log_decay_BTHK = F.logsigmoid(self._heads(self.gk_proj(x_BTD))) / GATE_NORMALIZER
        o_BTHV = mix(
            self._heads(self.q_proj(x_BTD)),
            self._heads(self.k_proj(x_BTD)),
            self._heads(self.v_proj(x_BTD)),
            log_decay_BTHK,
        )
        gate_BTHV = self._heads(self.g_proj(x_BTD))
        gated_BTHV = GATED_NORM.of(self.backend)(o_BTHV, gate_BTHV, self.g_norm_swish_gate.weight)
        return order.unscan(self.o_proj(gated_BTHV.flatten(2)), grid)

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.num_heads, -1))

    def _input_weights(self) -> list[Tensor]:
        """Returns the weights in the order in which gla_mixer takes their outputs."""
        gate_down = cast(nn.Linear, self.gk_proj[0])
        return [linear.weight for linear in (self.q_proj, self.k_proj, self.v_proj, self.g_proj, gate_down)]

    def _make_weights_adjacent(self) -> None:
        if "gla_mixer" in self.backend:
            make_adjacent(self._input_weights())

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Restores the memory layout after Module.to and its like, which move each parameter separately."""
        super()._apply(fn, recurse)
        self._make_weights_adjacent()
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores the memory layout after copy.deepcopy and pickle."""
        super().__setstate__(state)
        self._make_weights_adjacent()


def recurrence_flops(tokens: int, keys: int, head_values: int) -> int:
    """Returns five FLOPs per token and entry of the state: decay (1), add k v^T (2), read with q (2).

    `keys` counts the key channels of all heads, so the states have keys * head_values entries.
    """
    return 5 * tokens * keys * head_values
