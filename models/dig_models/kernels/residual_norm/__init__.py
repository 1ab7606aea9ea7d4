"""Adds the output of a DiS block to the residual stream, and norms the sum for the next block (arXiv 2402.05608).

All implementations have the signature

    residual_norm(x_BLW, residual_BLW, weight_W) -> normed_BLW, residual_BLW

with B batch, L condition and image tokens, W width: r = residual + x, and r / sqrt(mean(r^2) + eps) * weight. The
residual stream is fp32 at every precision. The norm has the dtype of x, which is that of the weight.
"""

from dig_models.kernels.op import Implementation, KernelOp

NORM_EPS = 1e-5

RESIDUAL_NORM = KernelOp(
    "residual_norm",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "mamba-ssm": Implementation(
            module=f"{__name__}.mamba",
            packages=("mamba_ssm",),
            install="pip install 'dig-bench[mamba]'",
            devices=("cuda",),
        ),
    },
)
