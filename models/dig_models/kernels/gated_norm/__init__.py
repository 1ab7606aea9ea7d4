"""Computes the end of a gated linear attention: RMS norm of each head, times the swish of a gate (arXiv 2312.06635).

All implementations have the signature

    gated_norm(o_BTHV, gate_BTHV, weight_V) -> y_BTHV

with B batch, T tokens, H heads, V value channels of a head: y = o / sqrt(mean(o^2) + eps) * weight * silu(gate).
"""

from dig_models.kernels.op import Implementation, KernelOp

NORM_EPS = 1e-6

GATED_NORM = KernelOp(
    "gated_norm",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "fla": Implementation(
            module=f"{__name__}.fla", packages=("fla",), install="pip install 'dig-bench[gpu]'", devices=("cuda",)
        ),
    },
)
