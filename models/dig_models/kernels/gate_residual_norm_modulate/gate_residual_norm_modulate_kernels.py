# mypy: allow-untyped-defs
"""One pass over the tokens, forward and backward. Grid (runs of an image, images), see kernels/rowwise.py."""

import triton
import triton.language as tl

from dig_models.kernels.launch import fast_launch
from dig_models.kernels.norm_modulate import NORM_EPS
from dig_models.kernels.rowwise import (
    RUN_SIZES,
    first_of_image,
    layer_norm,
    layer_norm_gradient,
    load,
    load_vector,
    normal_again,
    run_of_program,
    store,
    store_partial,
    store_statistics,
    tile,
)

EPS = tl.constexpr(NORM_EPS)


# B batch, T tokens, D width
@fast_launch
@triton.jit(do_not_specialize=RUN_SIZES)
def gate_residual_norm_modulate_kernel(
    x,
    gate,
    y,
    shift,
    scale,
    r,
    z,
    statistics,
    gate_stride,
    shift_stride,
    scale_stride,
    num_tokens,
    run_tokens,
    WIDTH: tl.constexpr,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Writes r and z (B, T, D), and the means and inverse standard deviations of r (2, B, T) in fp32."""
    image = first_of_image(num_tokens, WIDTH)
    gate_1D = load_vector(gate, gate_stride, WIDTH, CHANNELS)
    shift_1D = load_vector(shift, shift_stride, WIDTH, CHANNELS)
    scale_1D = 1 + load_vector(scale, scale_stride, WIDTH, CHANNELS)
    first, end = run_of_program(num_tokens, run_tokens)
    for start in tl.range(first, end, TOKENS, num_stages=STAGES):
        offset_TD, exists_TD = tile(start, end, WIDTH, TOKENS, CHANNELS)
        r_TD = load(x + image, offset_TD, exists_TD) + gate_1D * load(y + image, offset_TD, exists_TD)
        # Norms r as it is stored, because the backward pass does.
        r_TD = r_TD.to(r.dtype.element_ty).to(tl.float32)
        store(r + image, offset_TD, exists_TD, r_TD)
        normal_TD, mean_T, inverse_T = layer_norm(r_TD, exists_TD, WIDTH, EPS)
        store(z + image, offset_TD, exists_TD, normal_TD * scale_1D + shift_1D)
        store_statistics(statistics, mean_T, inverse_T, start, end, num_tokens, TOKENS)


@fast_launch
@triton.jit(do_not_specialize=RUN_SIZES)
def gate_residual_norm_modulate_gradient_kernel(
    r_gradient,
    z_gradient,
    r,
    gate,
    y,
    scale,
    statistics,
    x_gradient,
    y_gradient,
    partials,
    gate_stride,
    scale_stride,
    num_tokens,
    run_tokens,
    WIDTH: tl.constexpr,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Writes the gradients of x and y, and the partial sums of those of the vectors.

    The sums are those of gate, shift and scale by run, (B, runs, 3, D) in fp32.
    """
    image = first_of_image(num_tokens, WIDTH)
    gate_1D = load_vector(gate, gate_stride, WIDTH, CHANNELS)
    scale_1D = 1 + load_vector(scale, scale_stride, WIDTH, CHANNELS)
    gate_gradient_TD = tl.zeros((TOKENS, CHANNELS), tl.float32)
    shift_gradient_TD = tl.zeros((TOKENS, CHANNELS), tl.float32)
    scale_gradient_TD = tl.zeros((TOKENS, CHANNELS), tl.float32)
    first, end = run_of_program(num_tokens, run_tokens)
    for start in tl.range(first, end, TOKENS, num_stages=STAGES):
        offset_TD, exists_TD = tile(start, end, WIDTH, TOKENS, CHANNELS)
        r_TD = load(r + image, offset_TD, exists_TD)
        y_TD = load(y + image, offset_TD, exists_TD)
        z_gradient_TD = load(z_gradient + image, offset_TD, exists_TD)
        r_gradient_TD = load(r_gradient + image, offset_TD, exists_TD)
        normal_TD, inverse_T = normal_again(r_TD, exists_TD, statistics, start, end, num_tokens, TOKENS)
        r_gradient_TD += layer_norm_gradient(z_gradient_TD * scale_1D, normal_TD, inverse_T, WIDTH)
        store(x_gradient + image, offset_TD, exists_TD, r_gradient_TD)
        store(y_gradient + image, offset_TD, exists_TD, r_gradient_TD * gate_1D)
        gate_gradient_TD += r_gradient_TD * y_TD
        shift_gradient_TD += z_gradient_TD
        scale_gradient_TD += z_gradient_TD * normal_TD
    store_partial(partials, 0, 3, gate_gradient_TD, WIDTH, CHANNELS)
    store_partial(partials, 1, 3, shift_gradient_TD, WIDTH, CHANNELS)
    store_partial(partials, 2, 3, scale_gradient_TD, WIDTH, CHANNELS)
