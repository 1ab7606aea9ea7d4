"""Computes the end of a DiG block and the first norm of the next (arXiv 2405.18428, section 4.2; arXiv 2212.09748).

All implementations have the signature

    residual_conv_norm_modulate(x_BTD, gate_BD, y_BTD, weight_D133, bias_D, shift_BD, scale_BD, grid, order)
        -> z_BTD, n_BTD

with B batch, T tokens in image order, D width: z = residual_conv(x, gate, y, weight, bias, grid, order), and
n = norm_modulate(z, shift, scale).

`fused` runs one kernel up to 512 channels, with launch settings for up to 8191 tokens of all images (`few`) and for
more (`many`). Wider tokens take the kernels of the two halves.
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
