"""Specification in plain PyTorch around the loop over tokens."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.gated_linear_attention.reference import gated_linear_attention
from dig_models.kernels.gla_mixer import (
    GATE_NORMALIZER,
    GATE_RANK,
    KEY_CHANNELS,
    NORM_EPS,
    VALUE_CHANNELS,
    num_heads,
)
from dig_models.kernels.op import source_of
from dig_models.kernels.scan_index import scan_index

SOURCE = source_of("torch", "loop over tokens between permutations")


# B batch, T tokens, P projected channels, H heads, K key channels, V value channels of a head, R rank of the gate
def gla_mixer(
    projected_BTP: Tensor,
    gate_up_HKxR: Tensor,
    gate_bias_HK: Tensor,
    norm_weight_V: Tensor,
    grid: tuple[int, int],
    order: int,
) -> Tensor:
    """Computes y in fp32. The result has the dtype of the input."""
    heads = num_heads(projected_BTP.shape[-1])
    token_T = scan_index(grid, order, projected_BTP.device)
    keys, values = heads * KEY_CHANNELS, heads * VALUE_CHANNELS
    parts = projected_BTP[:, token_T].float().split([keys, keys, values, values, GATE_RANK], dim=-1)
    q_BTHK, k_BTHK, v_BTHV, g_BTHV = (part.unflatten(-1, (heads, -1)) for part in parts[:4])

    gate_BTHK = F.linear(parts[4], gate_up_HKxR.float(), gate_bias_HK.float()).unflatten(-1, (heads, -1))
    o_BTHV = gated_linear_attention(q_BTHK, k_BTHK, v_BTHV, F.logsigmoid(gate_BTHK) / GATE_NORMALIZER)
    y_BTHV = F.rms_norm(o_BTHV, (VALUE_CHANNELS,), norm_weight_V.float(), NORM_EPS) * F.silu(g_BTHV)
    return y_BTHV.flatten(2)[:, torch.argsort(token_T)].to(projected_BTP.dtype)
