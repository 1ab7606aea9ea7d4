"""DiG's SwiGLU MLP (arXiv 2002.05202), both projections and what stands between them.

All implementations take and return

    swiglu_mlp(x_BTD, gate_weight_ND, down_weight_DM) -> y_BTD

with B batch, T tokens, D width, M hidden channels, N = 2 M:

    gate, up = x gate_weight^T, M channels each;    y = (silu(gate) * up) down_weight^T
"""

from dig_models.kernels.op import FEW_OR_MANY, Implementation, KernelOp

SWIGLU_MLP = KernelOp(
    "swiglu_mlp",
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
