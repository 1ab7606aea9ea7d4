"""Triton kernels of flash-linear-attention."""

from fla.ops.gla import chunk_gla
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("fla-core", "chunk_gla")


def gated_linear_attention(q_BTHK: Tensor, k_BTHK: Tensor, v_BTHV: Tensor, log_decay_BTHK: Tensor) -> Tensor:
    output_BTHV: Tensor = chunk_gla(q_BTHK, k_BTHK, v_BTHV, log_decay_BTHK)[0]
    return output_BTHV
