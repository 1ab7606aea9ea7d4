"""Computes the first half of DiT's MLP: a linear layer and the tanh approximation of GELU (arXiv 1606.08415).

All implementations have the signature

    linear_gelu(x_BTD, weight_MD, bias_M) -> y_BTM

with B batch, T tokens, D width, M hidden channels: y = gelu(x weight^T + bias).
"""

from dig_models.kernels.op import Implementation, KernelOp

LINEAR_GELU = KernelOp(
    "linear_gelu",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "fused": Implementation(module=f"{__name__}.fused", devices=("cuda",)),
    },
)
