"""Computes the shifts, scales and gates of many adaLN blocks from one condition (arXiv 2212.09748).

All implementations have the signature

    adaln_modulation(condition_BD, weights, biases) -> [modulation_BM, ...]

with B batch, D width, M channels of all vectors of a block together. Applies SiLU to the condition, then each block's
linear layer with weight (M, D) and bias (M,).
"""

from dig_models.kernels.op import Implementation, KernelOp

ADALN_MODULATION = KernelOp(
    "adaln_modulation",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "joined": Implementation(module=f"{__name__}.joined"),
    },
)
