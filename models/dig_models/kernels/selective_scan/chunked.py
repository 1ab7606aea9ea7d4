"""Chunkwise scan in plain PyTorch: elementwise work for a whole chunk at once, then one multiply-add per token.

Each of the D x N states has its own decay, so the loop cannot become a matmul as in gated linear attention. It is fast
on a CPU because the values of a chunk stay in the cache, and because a token takes one call. For DiS-S (D = 736, N =
16, 258 tokens, one thread) a scan takes 7 to 8 ms, the reference 11 ms, and a scan of logarithmic depth within chunks,
which passes over the values log2(CHUNK) times, 10 to 12 ms.

Decays are exp(step A) <= 1, and nothing is divided by them. Strong decays underflow to 0, and nothing overflows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from dig_models.kernels.op import source_of

CHUNK = 16
"""Tokens per chunk. Decays, inputs and states of a chunk have B x D x N x CHUNK values each."""

SOURCE = source_of("torch", f"products over chunks of {CHUNK}, addcmul over tokens")


# C tokens of a chunk; the first dimension here, so that the values of a token are contiguous
def selective_scan(
    u_BDL: Tensor,
    delta_BDL: Tensor,
    A_DN: Tensor,
    B_BNL: Tensor,
    C_BNL: Tensor,
    D_D: Tensor,
    z_BDL: Tensor,
    delta_bias_D: Tensor,
) -> Tensor:
    """Equals reference.py up to rounding, forward and backward, for any L.

    Keeps only the states between chunks for the backward pass, and recomputes the rest: decays and states of all tokens
    would be 2 N times the size of u.
    """
    u, A_DN = u_BDL.float(), A_DN.float()
    step_BDL = F.softplus(delta_BDL.float() + delta_bias_D.float().unsqueeze(-1))
    by_chunk = (x.permute(2, 0, 1).contiguous().split(CHUNK) for x in (step_BDL, u, B_BNL.float(), C_BNL.float()))
    state_BDN = u.new_zeros(u.shape[0], *A_DN.shape)
    outputs = []
    for chunk in zip(*by_chunk, strict=True):
        state_BDN, read_CBD = checkpoint(_scan, state_BDN, A_DN, *chunk, use_reentrant=False, preserve_rng_state=False)
        outputs.append(read_CBD)
    y_BDL = torch.cat(outputs).permute(1, 2, 0) + D_D.float().unsqueeze(-1) * u
    return (y_BDL * F.silu(z_BDL.float())).to(u_BDL.dtype)


def _scan(
    state_BDN: Tensor, A_DN: Tensor, step_CBD: Tensor, u_CBD: Tensor, B_CBN: Tensor, C_CBN: Tensor
) -> tuple[Tensor, Tensor]:
    """Scans a chunk from the state before it. Returns the state after it, and the outputs of its tokens, (C, B, D)."""
    decay_CBDN = (step_CBD.unsqueeze(-1) * A_DN).exp()
    written_CBDN = (step_CBD * u_CBD).unsqueeze(-1) * B_CBN.unsqueeze(-2)
    states = []
    for decay_BDN, written_BDN in zip(decay_CBDN.unbind(), written_CBDN.unbind(), strict=True):
        state_BDN = torch.addcmul(written_BDN, decay_BDN, state_BDN)
        states.append(state_BDN)
    read_CBD = (torch.stack(states) @ C_CBN.unsqueeze(-1)).squeeze(-1)
    return state_BDN, read_CBD
