"""Computes DiG's SwiGLU MLP (arXiv 2002.05202): both projections and the activation between them.

All implementations have the signature

    swiglu_mlp(x_BTD, gate_weight_ND, down_weight_DM) -> y_BTD

with B batch, T tokens, D width, M hidden channels, N = 2 M:

    gate, up = x gate_weight^T, M channels each;    y = (silu(gate) * up) down_weight^T

Without gradients and in two-byte types, `fused` runs its own GEMM with SwiGLU in the epilogue. If the output of that
GEMM has too few tiles for the GPU (`few`), it takes smaller tiles up to 512 channels, and cuBLAS for wider tokens.
"""

from dig_models.kernels.op import FEW_OR_MANY, Implementation, KernelOp

SWIGLU_MLP = KernelOp(
    "swiglu_mlp",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "fla": Implementation(
            module=f"{__name__}.fla", packages=("fla",), install="pip install 'dig-bench[gpu]'", devices=("cuda",)
        ),
        "fused": Implementation(
            module=f"{__name__}.fused",
            packages=("triton",),
            install="pip install triton",
            devices=("cuda",),
            variants=FEW_OR_MANY,
        ),
    },
)
