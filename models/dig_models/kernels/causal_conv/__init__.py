"""Computes Mamba's short convolution: depthwise and causal, with bias, then SiLU (Gu and Dao, arXiv 2312.00752).

All implementations have the signature

    causal_conv(x_BDL, weight_D1K, bias_D) -> y_BDL

with B batch, D channels, L tokens, K kernel size: y_t = silu(bias + sum_k weight_k x_{t - K + 1 + k}).
"""

from dig_models.kernels.op import Implementation, KernelOp

CAUSAL_CONV = KernelOp(
    "causal_conv",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "mamba-ssm": Implementation(module=f"{__name__}.mamba", devices=("cuda",)),
    },
)
