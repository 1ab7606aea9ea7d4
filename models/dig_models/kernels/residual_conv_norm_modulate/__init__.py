"""The end of a DiG block, and the norm that begins the next one (arXiv 2405.18428, section 4.2; arXiv 2212.09748).

All implementations take and return

    residual_conv_norm_modulate(x_BTD, gate_BD, y_BTD, weight_D133, bias_D, shift_BD, scale_BD, grid, order)
        -> z_BTD, n_BTD

with B batch, T tokens in image order, D width: z = residual_conv(x, gate, y, weight, bias, grid, order), and
n = norm_modulate(z, shift, scale).
"""

from dig_models.kernels.op import FEW_OR_MANY, Implementation, KernelOp

RESIDUAL_CONV_NORM_MODULATE = KernelOp(
    "residual_conv_norm_modulate",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "fused": Implementation(
            module=f"{__name__}.fused",
            packages=("triton",),
            install="pip install triton",
            devices=("cuda",),
            variants=FEW_OR_MANY,
        ),
    },
)
