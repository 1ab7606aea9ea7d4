"""FlashAttention-3 for Hopper GPUs, forward only: from the package fa3-fwd, or from a build of flash-attention."""

from importlib.util import find_spec

from torch import Tensor

from dig_models.kernels.op import source_of

if find_spec("fa3_fwd_interface") is not None:
    from fa3_fwd_interface import flash_attn_func

    SOURCE = source_of("fa3-fwd", "flash_attn_func")
else:
    from flash_attn_interface import flash_attn_func

    SOURCE = source_of("flash-attn-3", "flash_attn_func")


def attention(q_BTHD: Tensor, k_BTHD: Tensor, v_BTHD: Tensor) -> Tensor:
    output = flash_attn_func(q_BTHD, k_BTHD, v_BTHD)
    output_BTHD: Tensor = output[0] if isinstance(output, tuple) else output
    return output_BTHD
