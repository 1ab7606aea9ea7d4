# mypy: allow-untyped-defs
"""One pass over the tokens, forward and backward. Grid (runs of an image, images), see kernels/rowwise.py."""

import triton
import triton.language as tl

from dig_models.kernels.launch import fast_launch
from dig_models.kernels.rowwise import (
    RUN_SIZES,
    first_of_image,
    load,
    load_vector,
    run_of_program,
    store,
    store_partial,
    tile,
)


# B batch, T tokens, D width
@fast_launch
@triton.jit(do_not_specialize=RUN_SIZES)
def gate_residual_kernel(
    x,
    gate,
    y,
    r,
    gate_stride,
    num_tokens,
    run_tokens,
    WIDTH: tl.constexpr,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Writes r (B, T, D)."""
    image = first_of_image(num_tokens, WIDTH)
    gate_1D = load_vector(gate, gate_stride, WIDTH, CHANNELS)
    first, end = run_of_program(num_tokens, run_tokens)
    for start in tl.range(first, end, TOKENS, num_stages=STAGES):
        offset_TD, exists_TD = tile(start, end, WIDTH, TOKENS, CHANNELS)
        x_TD, y_TD = load(x + image, offset_TD, exists_TD), load(y + image, offset_TD, exists_TD)
        store(r + image, offset_TD, exists_TD, x_TD + gate_1D * y_TD)


@fast_launch
@triton.jit(do_not_specialize=RUN_SIZES)
def gate_residual_gradient_kernel(
    r_gradient,
    gate,
    y,
    y_gradient,
    partials,
    gate_stride,
    num_tokens,
    run_tokens,
    WIDTH: tl.constexpr,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Writes the gradient of y, and the partial sums of the gate's gradient by run, (B, runs, 1, D) in fp32."""
    image = first_of_image(num_tokens, WIDTH)
    gate_1D = load_vector(gate, gate_stride, WIDTH, CHANNELS)
    gate_gradient_TD = tl.zeros((TOKENS, CHANNELS), tl.float32)
    first, end = run_of_program(num_tokens, run_tokens)
    for start in tl.range(first, end, TOKENS, num_stages=STAGES):
        offset_TD, exists_TD = tile(start, end, WIDTH, TOKENS, CHANNELS)
        r_gradient_TD = load(r_gradient + image, offset_TD, exists_TD)
        gate_gradient_TD += r_gradient_TD * load(y + image, offset_TD, exists_TD)
        store(y_gradient + image, offset_TD, exists_TD, r_gradient_TD * gate_1D)
    store_partial(partials, 0, 1, gate_gradient_TD, WIDTH, CHANNELS)
