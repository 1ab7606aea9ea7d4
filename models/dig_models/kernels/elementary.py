# mypy: allow-untyped-defs
"""Functions of numbers that the kernels share."""

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def sigmoid(x):
    """By a reciprocal square root, one instruction where Triton's division is eight."""
    root = tl.rsqrt(1.0 + tl.exp2(-x * LOG2_E))
    return root * root
