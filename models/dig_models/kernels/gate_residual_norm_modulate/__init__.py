"""Adds a gated branch to the residual stream, and computes the norm of the next branch (arXiv 2212.09748).

All implementations have the signature

    gate_residual_norm_modulate(x_BTD, gate_BD, y_BTD, shift_BD, scale_BD) -> r_BTD, z_BTD

with B batch, T tokens, D width: r = x + gate * y, and z = norm_modulate(r, shift, scale).
"""

from dig_models.kernels.op import Implementation, KernelOp

GATE_RESIDUAL_NORM_MODULATE = KernelOp(
    "gate_residual_norm_modulate",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "fused": Implementation(
            module=f"{__name__}.fused", packages=("triton",), install="pip install triton", devices=("cuda",)
        ),
    },
)
