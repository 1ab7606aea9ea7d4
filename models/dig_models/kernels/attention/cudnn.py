"""cuDNN's fused attention, through PyTorch."""

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend

from dig_models.kernels.attention.pinned import pinned_attention
from dig_models.kernels.op import source_of

SOURCE = source_of("torch", f"scaled_dot_product_attention, CUDNN_ATTENTION {torch.backends.cudnn.version()}")


def attention(q_BTHD: Tensor, k_BTHD: Tensor, v_BTHD: Tensor) -> Tensor:
    return pinned_attention(q_BTHD, k_BTHD, v_BTHD, SDPBackend.CUDNN_ATTENTION)
