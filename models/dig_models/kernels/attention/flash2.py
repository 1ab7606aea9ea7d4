"""FlashAttention-2: from the package flash-attn if it is installed, else PyTorch's own build.

SOURCE, which every row of results contains, names the one that ran.
"""

from importlib.util import find_spec

from torch import Tensor
from torch.nn.attention import SDPBackend

from dig_models.kernels.attention.pinned import pinned_attention
from dig_models.kernels.op import source_of

if find_spec("flash_attn") is not None:
    from flash_attn import flash_attn_func

    SOURCE = source_of("flash-attn", "flash_attn_func")

    def attention(q_BTHD: Tensor, k_BTHD: Tensor, v_BTHD: Tensor) -> Tensor:
        output_BTHD: Tensor = flash_attn_func(q_BTHD, k_BTHD, v_BTHD)
        return output_BTHD

else:
    SOURCE = source_of("torch", "scaled_dot_product_attention, FLASH_ATTENTION")

    def attention(q_BTHD: Tensor, k_BTHD: Tensor, v_BTHD: Tensor) -> Tensor:
        return pinned_attention(q_BTHD, k_BTHD, v_BTHD, SDPBackend.FLASH_ATTENTION)
