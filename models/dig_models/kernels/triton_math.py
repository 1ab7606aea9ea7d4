# mypy: allow-untyped-defs
"""Math functions that the Triton kernels share."""

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def sigmoid(x):
    """Computes the sigmoid with a reciprocal square root: one instruction, where Triton's division takes eight."""
    root = tl.rsqrt(1.0 + tl.exp2(-x * LOG2_E))
    return root * root
