"""What stands between the two projections of a SwiGLU MLP (arXiv 2002.05202).

All implementations take and return

    swiglu(h_BTN) -> y_BTM

with B batch, T tokens, M hidden channels, N = 2 M: y = silu(gate) * up, where h holds gate first, then up.
"""

from dig_models.kernels.op import Implementation, KernelOp

SWIGLU = KernelOp(
    "swiglu",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "fused": Implementation(
            module=f"{__name__}.fused", packages=("triton",), install="pip install triton", devices=("cuda",)
        ),
    },
)
