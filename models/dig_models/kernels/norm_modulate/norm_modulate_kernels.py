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
def norm_modulate_kernel(
    x,
    shift,
    scale,
    y,
    statistics,
    shift_stride,
    scale_stride,
    num_tokens,
    run_tokens,
    WIDTH: tl.constexpr,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Writes y (B, T, D), and the means and inverse standard deviations (2, B, T) in fp32."""
    image = first_of_image(num_tokens, WIDTH)
    shift_1D = load_vector(shift, shift_stride, WIDTH, CHANNELS)
    scale_1D = 1 + load_vector(scale, scale_stride, WIDTH, CHANNELS)
    first, end = run_of_program(num_tokens, run_tokens)
    for start in tl.range(first, end, TOKENS, num_stages=STAGES):
        offset_TD, exists_TD = tile(start, end, WIDTH, TOKENS, CHANNELS)
        x_TD = load(x + image, offset_TD, exists_TD)
        normal_TD, mean_T, inverse_T = layer_norm(x_TD, exists_TD, WIDTH, EPS)
        store(y + image, offset_TD, exists_TD, normal_TD * scale_1D + shift_1D)
        store_statistics(statistics, mean_T, inverse_T, start, end, num_tokens, TOKENS)


@fast_launch
@triton.jit(do_not_specialize=RUN_SIZES)
def norm_modulate_gradient_kernel(
    y_gradient,
    x,
    scale,
    statistics,
    other_gradient,
    x_gradient,
    partials,
    scale_stride,
    num_tokens,
    run_tokens,
    WIDTH: tl.constexpr,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Writes the gradient of x, and the partial sums of those of shift and scale by run, (B, runs, 2, D) in fp32.

    Adds `other_gradient` to the gradient of x, unless it is None.
    """
    image = first_of_image(num_tokens, WIDTH)
    scale_1D = 1 + load_vector(scale, scale_stride, WIDTH, CHANNELS)
    shift_gradient_TD = tl.zeros((TOKENS, CHANNELS), tl.float32)
    scale_gradient_TD = tl.zeros((TOKENS, CHANNELS), tl.float32)
    first, end = run_of_program(num_tokens, run_tokens)
    for start in tl.range(first, end, TOKENS, num_stages=STAGES):
        offset_TD, exists_TD = tile(start, end, WIDTH, TOKENS, CHANNELS)
        x_TD = load(x + image, offset_TD, exists_TD)
        y_gradient_TD = load(y_gradient + image, offset_TD, exists_TD)
        normal_TD, inverse_T = normal_again(x_TD, exists_TD, statistics, start, end, num_tokens, TOKENS)
        x_gradient_TD = layer_norm_gradient(y_gradient_TD * scale_1D, normal_TD, inverse_T, WIDTH)
        if other_gradient is not None:
            x_gradient_TD += load(other_gradient + image, offset_TD, exists_TD)
        store(x_gradient + image, offset_TD, exists_TD, x_gradient_TD)
        shift_gradient_TD += y_gradient_TD
        scale_gradient_TD += y_gradient_TD * normal_TD
    store_partial(partials, 0, 2, shift_gradient_TD, WIDTH, CHANNELS)
    store_partial(partials, 1, 2, scale_gradient_TD, WIDTH, CHANNELS)
