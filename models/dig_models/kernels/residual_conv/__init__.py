"""The end of a DiG block: the MLP joins the tokens, then SREM's depthwise convolution (arXiv 2405.18428, section 4.2).

All implementations take and return

    residual_conv(x_BTD, gate_BD, y_BTD, weight_D133, bias_D, grid, order) -> z_BTD

with B batch, T tokens in image order, D width: z = conv(x + gate * y), zero beyond the edges. `grid` is (rows, columns)
of tokens. `order` is the scan order of the block, as in kernels/scan_index.py: the weights are given for an image that
was flipped and transposed into that order, and are turned instead.
"""

from dig_models.kernels.op import Implementation, KernelOp

RESIDUAL_CONV = KernelOp(
    "residual_conv",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "fused": Implementation(
            module=f"{__name__}.fused", packages=("triton",), install="pip install triton", devices=("cuda",)
        ),
    },
)
