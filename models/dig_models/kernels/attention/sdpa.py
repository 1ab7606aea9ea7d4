"""PyTorch's FlashAttention for the CPU. On a GPU, use flash2, flash3, cudnn or math."""

from torch import Tensor
from torch.nn.attention import SDPBackend

from dig_models.kernels.attention.pinned import pinned_attention
from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "scaled_dot_product_attention, FLASH_ATTENTION for CPU")


def attention(q_BTHD: Tensor, k_BTHD: Tensor, v_BTHD: Tensor) -> Tensor:
    return pinned_attention(q_BTHD, k_BTHD, v_BTHD, SDPBackend.FLASH_ATTENTION)
