"""Embeds square patches of a latent as tokens (arXiv 2010.11929).

All implementations have the signature

    patch_embed(latent_BCHW, weight_DCPP, bias_D) -> tokens_BTD

with B batch, C latent channels, H W latent height and width, D width, P patch size, T = (H / P) (W / P) tokens in row
order. Equals a convolution with stride P.
"""

from dig_models.kernels.op import Implementation, KernelOp

PATCH_EMBED = KernelOp(
    "patch_embed",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "linear": Implementation(module=f"{__name__}.linear"),
    },
)
