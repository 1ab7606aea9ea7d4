"""Computes the end of a DiG block: gated residual, then SREM's depthwise convolution (arXiv 2405.18428, section 4.2).

All implementations have the signature

    residual_conv(x_BTD, gate_BD, y_BTD, weight_D133, bias_D, grid, order) -> z_BTD

with B batch, T tokens in image order, D width: z = conv(x + gate * y), with zero padding. `grid` is (rows, columns) of
tokens. `order` is the scan order of the block, as in kernels/scan_index.py. The weights apply to an image that was
flipped and transposed into that order; the operation rotates the weights instead of the image.
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
