"""Chunkwise matmuls in plain PyTorch: T / 16 sequential steps instead of T.

Every exponent is a sum of log decays over a span of tokens, so it is never positive. Nothing overflows, however strong
the decay; only what the recurrence has forgotten underflows. The usual factorization of the scores within a chunk, (q
e^G) (k e^-G)^T, does not have this property.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.op import source_of

CHUNK = 16
"""Tokens per chunk. Scores within a chunk take CHUNK * K values per token, the loop over chunks T / CHUNK steps."""

SOURCE = source_of("torch", f"matrix products over chunks of {CHUNK}")


# N chunks, C tokens of a chunk
def gated_linear_attention(q_BTHK: Tensor, k_BTHK: Tensor, v_BTHV: Tensor, log_decay_BTHK: Tensor) -> Tensor:
    """Equals reference.py up to rounding, for any T. Pads the last chunk with tokens that have no effect."""
    T, K = q_BTHK.shape[1], q_BTHK.shape[-1]
    q, k, v, log_decay = (_split(x.float()) for x in (q_BTHK, k_BTHK, v_BTHV, log_decay_BTHK))
    q = q * K**-0.5

    total_BHNCK = log_decay.cumsum(dim=-2)
    last_BHN1K = total_BHNCK[..., -1:, :]
    inside = _scores(q, k, total_BHNCK) @ v
    written_BHNKV = (k * (last_BHN1K - total_BHNCK).exp()).transpose(-1, -2) @ v
    before_BHNKV = _states(written_BHNKV, last_BHN1K.exp().transpose(-1, -2))
    o_BHNCV = inside + (q * total_BHNCK.exp()) @ before_BHNKV
    return o_BHNCV.flatten(2, 3).transpose(1, 2)[:, :T].to(v_BTHV.dtype)


def _split(x_BTHD: Tensor) -> Tensor:
    """(B, T, H, D) -> (B, H, N, C, D), zero-padded. A zero key writes nothing, a zero log decay forgets nothing."""
    padded = F.pad(x_BTHD, (0, 0, 0, 0, 0, -x_BTHD.shape[1] % CHUNK))
    return padded.transpose(1, 2).unflatten(2, (-1, CHUNK))


def _scores(q: Tensor, k: Tensor, total_BHNCK: Tensor) -> Tensor:
    """Returns the scores of each token for itself and the earlier tokens of its chunk, (B, H, N, C, C)."""
    span_BHNCCK = total_BHNCK.unsqueeze(-2) - total_BHNCK.unsqueeze(-3)
    future_CC1 = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=q.device).triu(1).unsqueeze(-1)
    decayed_k = span_BHNCCK.masked_fill(future_CC1, -torch.inf).exp() * k.unsqueeze(-3)
    return (decayed_k @ q.unsqueeze(-1)).squeeze(-1)


def _states(written_BHNKV: Tensor, decay_BHNK1: Tensor) -> Tensor:
    """Returns the state before each chunk, (B, H, N, K, V). This is the only sequential part."""
    state = torch.zeros_like(written_BHNKV[:, :, 0])
    before = []
    for written, decay in zip(written_BHNKV.unbind(2), decay_BHNK1.unbind(2), strict=True):
        before.append(state)
        state = decay * state + written
    return torch.stack(before, dim=2)
