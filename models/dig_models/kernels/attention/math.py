"""Specification: attention that materializes the T x T matrix, forward and backward."""

from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "matmul, softmax, matmul")


def attention(q_BTHD: Tensor, k_BTHD: Tensor, v_BTHD: Tensor) -> Tensor:
    """Computes softmax(q k^T D**-0.5) v in the dtype of the inputs, as the published DiT does."""
    q_BHTD, k_BHTD, v_BHTD = (x.transpose(1, 2) for x in (q_BTHD, k_BTHD, v_BTHD))
    weights_BHTT = (q_BHTD * q_BHTD.shape[-1] ** -0.5 @ k_BHTD.transpose(-1, -2)).softmax(dim=-1)
    return (weights_BHTT @ v_BHTD).transpose(1, 2)
