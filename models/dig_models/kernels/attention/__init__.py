"""Computes softmax attention over all tokens, without mask or dropout.

All implementations have the signature

    attention(q_BTHD, k_BTHD, v_BTHD) -> o_BTHD

with B batch, T tokens, H heads, D channels of a head. Scores are scaled by D**-0.5.
"""

from dig_models.kernels.op import Implementation, KernelOp

_HALF = ("bf16", "fp16")

ATTENTION = KernelOp(
    "attention",
    {
        "math": Implementation(module=f"{__name__}.math"),
        "flash2": Implementation(module=f"{__name__}.flash2", devices=("cuda",), precisions=_HALF),
        "flash3": Implementation(
            module=f"{__name__}.flash3",
            packages=("fa3_fwd_interface", "flash_attn_interface"),
            install="pip install fa3-fwd",
            devices=("cuda",),
            precisions=_HALF,
            modes=("forward",),
        ),
        "cudnn": Implementation(module=f"{__name__}.cudnn", devices=("cuda",), precisions=_HALF),
        "sdpa": Implementation(module=f"{__name__}.sdpa", devices=("cpu",)),
    },
)
