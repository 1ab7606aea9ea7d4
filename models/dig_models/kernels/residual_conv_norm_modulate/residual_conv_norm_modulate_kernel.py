# mypy: allow-untyped-defs
"""Convolution and norm in one kernel. A program owns whole tokens: a strip of columns, a run of rows, all channels.

The norm needs all channels of a token, but the walk of the convolution has registers for a few. So a program walks once
per block of channels, and then norms the tokens that it has written while they are in the L2 cache. The norm also goes
block by block, twice over z: tiles of whole tokens, padded to a power of two, would take XL twice the instructions.

Grid (strips of columns times runs of rows, images).
"""

import triton
import triton.language as tl

from dig_models.kernels.launch import fast_launch
from dig_models.kernels.norm_modulate import NORM_EPS
from dig_models.kernels.residual_conv.residual_conv_kernels import (
    GRID_SIZES,
    channels_of_block,
    convolve,
    load_channels,
    run_of_strip,
)
from dig_models.kernels.rowwise import first_of_image, load, store

EPS = tl.constexpr(NORM_EPS)


# B batch, T tokens, D channels
@fast_launch
@triton.jit(do_not_specialize=GRID_SIZES)
def residual_conv_norm_modulate_kernel(
    x,
    gate,
    y,
    weight,
    bias,
    shift,
    scale,
    z,
    n,
    statistics,
    gate_stride,
    shift_stride,
    scale_stride,
    rows,
    columns,
    order,
    run_rows,
    WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
    ABREAST: tl.constexpr,
    CHANNELS: tl.constexpr,
    TOKENS: tl.constexpr,
    STAGES: tl.constexpr,
    NORM_STAGES: tl.constexpr,
):
    """Writes z and n (B, T, D), and the means and inverse standard deviations of z (2, B, T) in fp32.

    The walk loads tiles of COLUMNS x CHANNELS, the norm tiles of TOKENS x CHANNELS.
    """
    batch = tl.program_id(1).to(tl.int64)
    num_tokens = rows * columns
    image = first_of_image(num_tokens, WIDTH)
    z += image
    start, first, end = run_of_strip(tl.program_id(0), rows, columns, run_rows, COLUMNS)
    for block in tl.range(0, tl.cdiv(WIDTH, CHANNELS), num_stages=1):
        convolve(
            x + image,
            gate + batch * gate_stride,
            y + image,
            weight,
            bias,
            z,
            channels_of_block(block, CHANNELS),
            start,
            first,
            end,
            rows,
            columns,
            order,
            WIDTH,
            COLUMNS,
            ABREAST,
            CHANNELS,
            STAGES,
        )
    # From here on, threads read what other threads have written.
    tl.debug_barrier()
    means = statistics + batch * num_tokens
    inverses = means + tl.num_programs(1) * num_tokens
    for index in tl.range(0, (end - first) * COLUMNS, TOKENS, num_stages=1):
        index_T = index + tl.arange(0, TOKENS)
        row_T, column_T = first + index_T // COLUMNS, start + index_T % COLUMNS
        token_T, exists_T = row_T * columns + column_T, (row_T < end) & (column_T < columns)
        mean_T, inverse_T = statistics_in_blocks(z, token_T, exists_T, WIDTH, CHANNELS, NORM_STAGES)
        tl.store(means + token_T, mean_T, mask=exists_T)
        tl.store(inverses + token_T, inverse_T, mask=exists_T)
        for block in tl.range(0, tl.cdiv(WIDTH, CHANNELS), num_stages=NORM_STAGES):
            channel_1D = channels_of_block(block, CHANNELS)
            offset_TD, exists_TD = tile_of_block(token_T, exists_T, channel_1D, WIDTH)
            shift_1D = load_channels(shift + batch * shift_stride, channel_1D, WIDTH)
            scale_1D = 1 + load_channels(scale + batch * scale_stride, channel_1D, WIDTH)
            normal_TD = (load(z, offset_TD, exists_TD) - mean_T[:, None]) * inverse_T[:, None]
            store(n + image, offset_TD, exists_TD, normal_TD * scale_1D + shift_1D)


@triton.jit
def tile_of_block(token_T, exists_T, channel_1D, WIDTH: tl.constexpr):
    """Returns the offsets of the tokens' channels within an image, and the mask of those that exist."""
    return token_T[:, None] * WIDTH + channel_1D, exists_T[:, None] & (channel_1D < WIDTH)


@triton.jit
def statistics_in_blocks(z, token_T, exists_T, WIDTH: tl.constexpr, CHANNELS: tl.constexpr, NORM_STAGES: tl.constexpr):
    """Returns means and inverse standard deviations (T,), in one pass over blocks of channels.

    Sums differences to the mean of the first block: squares of values far from zero would lose the variance.
    """
    near_TD = load(z, *tile_of_block(token_T, exists_T, channels_of_block(0, CHANNELS), WIDTH))
    near_T1 = tl.sum(near_TD, axis=1)[:, None] / min(WIDTH, CHANNELS)
    sum_TD = tl.zeros((token_T.shape[0], CHANNELS), tl.float32)
    squares_TD = tl.zeros((token_T.shape[0], CHANNELS), tl.float32)
    for block in tl.range(0, tl.cdiv(WIDTH, CHANNELS), num_stages=NORM_STAGES):
        offset_TD, exists_TD = tile_of_block(token_T, exists_T, channels_of_block(block, CHANNELS), WIDTH)
        away_TD = tl.where(exists_TD, load(z, offset_TD, exists_TD) - near_T1, 0.0)
        sum_TD += away_TD
        squares_TD += away_TD * away_TD
    away_T = tl.sum(sum_TD, axis=1) / WIDTH
    variance_T = tl.maximum(tl.sum(squares_TD, axis=1) / WIDTH - away_T * away_T, 0.0)
    return tl.sum(near_T1, axis=1) + away_T, tl.rsqrt(variance_T + EPS)
