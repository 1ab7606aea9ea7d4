"""adaLN's vectors for many blocks from one condition (arXiv 2212.09748): shifts, scales and gates.

All implementations take and return

    adaln_modulation(condition_BD, weights, biases) -> [modulation_BM, ...]

with B batch, D width, M channels of all vectors of a block together: silu, then the product with each block's weight
(M, D) and its bias (M,).
"""

from dig_models.kernels.op import Implementation, KernelOp

ADALN_MODULATION = KernelOp(
    "adaln_modulation",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "joined": Implementation(module=f"{__name__}.joined"),
    },
)
