# mypy: allow-untyped-defs
"""The first projection with SwiGLU in its epilogue: h, four times the bytes of its input, never goes through memory.

A program makes tiles of (TOKENS, CHANNELS) of y, one after another. The gate's and the up-projection's rows of the
weight come in turns of eight, so that one product makes both, and a thread that has the gate of a channel has what it
gates. Tiles come and go by the tensor memory accelerator, which also fills with zeros, and drops, what lies past the
ends; it fetches the next tile's while this one ends.
"""

import triton
import triton.language as tl

from dig_models.kernels.launch import fast_launch
from dig_models.kernels.triton_math import sigmoid

TURN = 8
"""Rows of the weight that come together: the width of a block of a tensor core's result. A thread has the same columns
of all blocks, so what one of them gates in the next is its own."""
TURN_ROWS = tl.constexpr(TURN)


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
    """y (tokens, HIDDEN) of the descriptors of x (tokens, WIDTH) and of weight (HIDDEN / 8, gate and up, 8, WIDTH)."""
    blocks_M = tl.cdiv(HIDDEN, CHANNELS)
    blocks_T = tl.cdiv(tokens, TOKENS)
    for tile in tl.range(tl.program_id(0), blocks_T * blocks_M, tl.num_programs(0), flatten=True):
        first_T, first_M = place(tile, blocks_T, blocks_M, group, TOKENS, CHANNELS)
        both_TN = tl.zeros((TOKENS, 2 * CHANNELS), tl.float32)
        for first_D in tl.range(0, WIDTH, DEPTH, num_stages=STAGES):
            x_TD = x.load([first_T, first_D])
            weight_ND = weight.load([first_M // TURN_ROWS, 0, 0, first_D]).reshape(2 * CHANNELS, DEPTH)
            both_TN = tl.dot(x_TD, weight_ND.T, both_TN)
        gate, up = both_TN.reshape(TOKENS, CHANNELS // TURN_ROWS, 2, TURN_ROWS).permute(0, 1, 3, 2).split()
        y_TM = (gate * sigmoid(gate) * up).reshape(TOKENS, CHANNELS)
        y.store([first_T, first_M], y_TM.to(y.dtype))


@triton.jit
def place(tile, blocks_T, blocks_M, group, TOKENS: tl.constexpr, CHANNELS: tl.constexpr):
    """The tile's first token and channel: down columns of `group` tiles, so that those at work share inputs."""
    above = tile // (group * blocks_M) * group
    rows = tl.minimum(blocks_T - above, group)
    within = tile % (group * blocks_M)
    return (above + within % rows) * TOKENS, within // rows * CHANNELS
