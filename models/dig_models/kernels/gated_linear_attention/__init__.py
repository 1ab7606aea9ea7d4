"""Computes gated linear attention (Yang et al., arXiv 2312.06635), whose state decays per key channel.

All implementations have the signature

    gated_linear_attention(q_BTHK, k_BTHK, v_BTHV, log_decay_BTHK) -> o_BTHV

with B batch, T tokens, H heads, K key channels, V value channels. log_decay <= 0. Scales q by K**-0.5.
"""

from dig_models.kernels.op import Implementation, KernelOp

GATED_LINEAR_ATTENTION = KernelOp(
    "gated_linear_attention",
    {
        "reference": Implementation(module=f"{__name__}.reference", sequential=True),
        "chunked": Implementation(module=f"{__name__}.chunked"),
        "fla": Implementation(
            module=f"{__name__}.fla", packages=("fla",), install="pip install 'dig-bench[gpu]'", devices=("cuda",)
        ),
    },
)
