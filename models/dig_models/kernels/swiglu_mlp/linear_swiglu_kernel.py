# mypy: allow-untyped-defs
"""GEMM of the first projection with SwiGLU in its epilogue. h, four times the size of x, never reaches memory.

A program computes tiles of y (TOKENS, CHANNELS) one after another. It interleaves the gate and up-projection rows of
the weight in groups of eight and runs one GEMM for both, so that a thread holds the gate and the value of the same
channel. The tensor memory accelerator (TMA) loads and stores the tiles, pads with zeros and clips at the ends, and
prefetches the next tile during the epilogue.
"""

import triton
import triton.language as tl

from dig_models.kernels.launch import fast_launch
from dig_models.kernels.triton_math import sigmoid

INTERLEAVE = 8
"""Rows of a group: the width of a block of a tensor core's result. A thread holds the same columns of all blocks, so
the gate in one block and the value in the next are in the same thread."""
INTERLEAVED_ROWS = tl.constexpr(INTERLEAVE)


# T tokens, M hidden channels, D channels of the width
@fast_launch
@triton.jit(do_not_specialize=("tokens", "group"))
def linear_swiglu_kernel(
    x,
    weight,
    y,
    tokens,
    group,
    HIDDEN: tl.constexpr,
    WIDTH: tl.constexpr,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
    DEPTH: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Writes y (tokens, HIDDEN) from descriptors of x (tokens, WIDTH) and of weight (HIDDEN / 8, 2, 8, WIDTH)."""
    blocks_M = tl.cdiv(HIDDEN, CHANNELS)
    blocks_T = tl.cdiv(tokens, TOKENS)
    for tile in tl.range(tl.program_id(0), blocks_T * blocks_M, tl.num_programs(0), flatten=True):
        first_T, first_M = place(tile, blocks_T, blocks_M, group, TOKENS, CHANNELS)
        both_TN = tl.zeros((TOKENS, 2 * CHANNELS), tl.float32)
        for first_D in tl.range(0, WIDTH, DEPTH, num_stages=STAGES):
            x_TD = x.load([first_T, first_D])
            weight_ND = weight.load([first_M // INTERLEAVED_ROWS, 0, 0, first_D]).reshape(2 * CHANNELS, DEPTH)
            both_TN = tl.dot(x_TD, weight_ND.T, both_TN)
        gate, up = (
            both_TN.reshape(TOKENS, CHANNELS // INTERLEAVED_ROWS, 2, INTERLEAVED_ROWS).permute(0, 1, 3, 2).split()
        )
        y_TM = (gate * sigmoid(gate) * up).reshape(TOKENS, CHANNELS)
        y.store([first_T, first_M], y_TM.to(y.dtype))


@triton.jit
def place(tile, blocks_T, blocks_M, group, TOKENS: tl.constexpr, CHANNELS: tl.constexpr):
    """Returns the first token and channel of a tile. Tiles go down columns of `group`, so that they share inputs."""
    above = tile // (group * blocks_M) * group
    rows = tl.minimum(blocks_T - above, group)
    within = tile % (group * blocks_M)
    return (above + within % rows) * TOKENS, within // rows * CHANNELS
