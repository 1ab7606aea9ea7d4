"""Restricts PyTorch's scaled_dot_product_attention to one kernel. By default it picks one silently."""

import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel


def pinned_attention(q_BTHD: Tensor, k_BTHD: Tensor, v_BTHD: Tensor, backend: SDPBackend) -> Tensor:
    """(B, T, H, D) -> (B, T, H, D). Raises RuntimeError if the kernel does not support the inputs."""
    q_BHTD, k_BHTD, v_BHTD = (x.transpose(1, 2) for x in (q_BTHD, k_BTHD, v_BTHD))
    with sdpa_kernel(backend):
        return F.scaled_dot_product_attention(q_BHTD, k_BHTD, v_BHTD).transpose(1, 2)
