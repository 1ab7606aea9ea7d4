"""Computes adaLN's modulated norm (arXiv 2212.09748): LayerNorm without weights, eps 1e-6, then scale and shift.

All implementations have the signature

    norm_modulate(x_BTD, shift_BD, scale_BD) -> y_BTD

with B batch, T tokens, D width: y = (x - mean) / sqrt(variance + eps) * (1 + scale) + shift. Mean and variance are
those of a token's channels.
"""

from dig_models.kernels.op import Implementation, KernelOp

NORM_EPS = 1e-6

NORM_MODULATE = KernelOp(
    "norm_modulate",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "fused": Implementation(
            module=f"{__name__}.fused", packages=("triton",), install="pip install triton", devices=("cuda",)
        ),
    },
)
