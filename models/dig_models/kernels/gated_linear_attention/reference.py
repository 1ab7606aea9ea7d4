"""Specification: a loop over tokens in fp32."""

import torch
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "loop over tokens")


def gated_linear_attention(q_BTHK: Tensor, k_BTHK: Tensor, v_BTHV: Tensor, log_decay_BTHK: Tensor) -> Tensor:
    """Computes S_t = diag(exp(log_decay_t)) S_{t-1} + k_t v_t^T and o_t = S_t^T q_t K**-0.5 (arXiv 2312.06635, eq. 3).

    A token sees itself and all earlier ones. State and sums are fp32; the result has the dtype of v.
    """
    B, T, H, K = q_BTHK.shape
    q_BTHK = q_BTHK.float() * K**-0.5
    k_BTHK, v, decay_BTHK = k_BTHK.float(), v_BTHV.float(), log_decay_BTHK.float().exp()
    state_BHKV = v.new_zeros(B, H, K, v.shape[-1])
    outputs = []
    for t in range(T):
        written_BHKV = k_BTHK[:, t, :, :, None] * v[:, t, :, None, :]
        state_BHKV = decay_BTHK[:, t, :, :, None] * state_BHKV + written_BHKV
        outputs.append((q_BTHK[:, t, :, :, None] * state_BHKV).sum(-2))
    return torch.stack(outputs, dim=1).to(v_BTHV.dtype)
