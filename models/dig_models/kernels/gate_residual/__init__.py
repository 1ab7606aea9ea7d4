"""A branch of an adaLN block joins the tokens through its gate (arXiv 2212.09748).

All implementations take and return

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
