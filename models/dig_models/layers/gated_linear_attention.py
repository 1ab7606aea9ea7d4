"""The mixer of a DiG block."""

import torch.nn.functional as F
from torch import Tensor, nn

from dig_models.kernels.gated_linear_attention import GATED_LINEAR_ATTENTION
from dig_models.layers.mlp import xavier_linear
from dig_models.layers.scan_order import ScanOrder

GATE_RANK = 16
GATE_NORMALIZER = 16
"""Divides the log of the forget gate, which brings it near one (arXiv 2312.06635, section 4.4)."""


# B batch, T tokens, D width, H heads, K key channels, V value channels of a head
class GatedLinearAttention(nn.Module):
    """(B, T, D) -> (B, T, D), causal along a scan order of the token grid.

    Key width is half the model's. The forget gate has rank 16 and differs by channel; the output of each head passes an
    RMS norm, whose weight the heads share, and a swish gate.
    """

    def __init__(self, width: int, num_heads: int, implementation: str) -> None:
        super().__init__()
        if width % (2 * num_heads):
            raise ValueError(f"width {width} cannot be split into {num_heads} heads with keys of half that width")
        self.num_heads = num_heads
        self.implementation = implementation
        keys, gain = width // 2, 2**-2.5
        self.q_proj = xavier_linear(width, keys, bias=False, gain=gain)
        self.k_proj = xavier_linear(width, keys, bias=False, gain=gain)
        self.v_proj = xavier_linear(width, width, bias=False, gain=gain)
        self.g_proj = xavier_linear(width, width, bias=False, gain=gain)
        self.gk_proj = nn.Sequential(
            xavier_linear(width, GATE_RANK, bias=False, gain=gain), xavier_linear(GATE_RANK, keys, gain=gain)
        )
        self.g_norm_swish_gate = nn.RMSNorm(width // num_heads, eps=1e-6)
        self.o_proj = xavier_linear(width, width, bias=False, gain=gain)

    def forward(self, x_BTD: Tensor, grid: tuple[int, int], order: ScanOrder) -> Tensor:
        x_BTD = order.scan(x_BTD, grid)
        mix = GATED_LINEAR_ATTENTION[self.implementation]
        log_decay_BTHK = F.logsigmoid(self._heads(self.gk_proj(x_BTD))) / GATE_NORMALIZER
        o_BTHV = mix(
            self._heads(self.q_proj(x_BTD)),
            self._heads(self.k_proj(x_BTD)),
            self._heads(self.v_proj(x_BTD)),
            log_decay_BTHK,
        )
        gated_BTHV = self.g_norm_swish_gate(o_BTHV) * F.silu(self._heads(self.g_proj(x_BTD)))
        return order.unscan(self.o_proj(gated_BTHV.flatten(2)), grid)

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.num_heads, -1))


def recurrence_flops(tokens: int, keys: int, head_values: int) -> int:
    """Five operations for each entry of the state, a token: decay it (1), add k v^T (2), read it with q (2).

    `keys` are the key channels of all heads together, so the states have keys * head_values entries.
    """
    return 5 * tokens * keys * head_values
