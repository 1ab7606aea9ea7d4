"""Plain PyTorch, chunk by chunk: all products of a chunk at once, and one fused multiply-add a token to chain them.

Each of the D x N states decays in its own way, so unlike in gated linear attention there is no matrix product to turn
the loop into. What makes it fast on a CPU is that a chunk's products stay in the cache and that a token costs one call.
Measured for DiS-S (D = 736, N = 16, 258 tokens, one thread): 7 to 8 ms a scan, the reference 11 ms; a scan of
logarithmic depth within chunks, which passes over a chunk's numbers log2(CHUNK) times, 10 to 12 ms.

Decays enter as exp(step A) <= 1 and are never divided by: strong ones underflow to 0, and nothing overflows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from dig_models.kernels.op import source_of

CHUNK = 16
"""Tokens per chunk: B x D x N x CHUNK numbers for the decays, as many for the inputs and for the states."""

SOURCE = source_of("torch", f"products over chunks of {CHUNK}, addcmul over tokens")


# C tokens of a chunk, which come first here: a token's numbers then lie together
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
    """As reference.py, to rounding, forward and backward; any L.

    For the backward pass only the states between chunks are kept, and the inside of a chunk is computed again: decays
    and states of all tokens would be 2 N times the size of u.
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
    """State before a chunk -> state after it, and what its tokens read, (C, B, D)."""
    decay_CBDN = (step_CBD.unsqueeze(-1) * A_DN).exp()
    written_CBDN = (step_CBD * u_CBD).unsqueeze(-1) * B_CBN.unsqueeze(-2)
    states = []
    for decay_BDN, written_BDN in zip(decay_CBDN.unbind(), written_CBDN.unbind(), strict=True):
        state_BDN = torch.addcmul(written_BDN, decay_BDN, state_BDN)
        states.append(state_BDN)
    read_CBD = (torch.stack(states) @ C_CBN.unsqueeze(-1)).squeeze(-1)
    return state_BDN, read_CBD
