# mypy: allow-untyped-defs
"""The first projection with SwiGLU in its epilogue: h, four times the bytes of its input, never goes through memory.

A program makes tiles of (TOKENS, CHANNELS) of y, one after another: two products that share the tile of x, with the
gate's and the up-projection's rows of the weight. Tiles come and go by the tensor memory accelerator, which also fills
with zeros, and drops, what lies past the ends.
"""

import triton
import triton.language as tl

from dig_models.kernels.elementary import sigmoid


# T tokens, M hidden channels, D channels of the width
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
    """y (tokens, HIDDEN) of the descriptors of x (tokens, WIDTH) and weight (2 HIDDEN, WIDTH)."""
    blocks_M = tl.cdiv(HIDDEN, CHANNELS)
    blocks_T = tl.cdiv(tokens, TOKENS)
    for tile in tl.range(tl.program_id(0), blocks_T * blocks_M, tl.num_programs(0)):
        first_T, first_M = place(tile, blocks_T, blocks_M, group, TOKENS, CHANNELS)
        gate_TM = tl.zeros((TOKENS, CHANNELS), tl.float32)
        up_TM = tl.zeros((TOKENS, CHANNELS), tl.float32)
        for first_D in tl.range(0, WIDTH, DEPTH, num_stages=STAGES):
            x_TD = x.load([first_T, first_D])
            gate_TM = tl.dot(x_TD, weight.load([first_M, first_D]).T, gate_TM)
            up_TM = tl.dot(x_TD, weight.load([HIDDEN + first_M, first_D]).T, up_TM)
        y.store([first_T, first_M], (gate_TM * sigmoid(gate_TM) * up_TM).to(y.dtype))


@triton.jit
def place(tile, blocks_T, blocks_M, group, TOKENS: tl.constexpr, CHANNELS: tl.constexpr):
    """The tile's first token and channel: down columns of `group` tiles, so that those at work share inputs."""
    above = tile // (group * blocks_M) * group
    rows = tl.minimum(blocks_T - above, group)
    within = tile % (group * blocks_M)
    return (above + within % rows) * TOKENS, within // rows * CHANNELS
