"""Adds a gated branch of an adaLN block to the residual stream (arXiv 2212.09748).

All implementations have the signature

    gate_residual(x_BTD, gate_BD, y_BTD) -> r_BTD

with B batch, T tokens, D width: r = x + gate * y.
"""

from dig_models.kernels.op import Implementation, KernelOp

GATE_RESIDUAL = KernelOp(
    "gate_residual",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "fused": Implementation(
            module=f"{__name__}.fused", packages=("triton",), install="pip install triton", devices=("cuda",)
        ),
    },
)
