# mypy: allow-untyped-defs
"""Separate SwiGLU kernels, one pass forward and one backward, over h, which holds the gate and up halves side by side.

The backward pass recomputes the gate and y. The gradient of the down-projection's weight needs y, so nothing of y has
to be kept. The grid is flat: the blocks of hidden channels of a block of tokens are consecutive.
"""

import triton
import triton.language as tl

from dig_models.kernels.launch import fast_launch
from dig_models.kernels.triton_math import sigmoid


# T tokens of a tile, M hidden channels of a tile
@triton.jit
def tile(tokens, HIDDEN: tl.constexpr, TOKENS: tl.constexpr, CHANNELS: tl.constexpr):
    """Returns the offsets (T, M) in tensors of HIDDEN and of 2 HIDDEN channels, and the mask of those that exist."""
    blocks = tl.cdiv(HIDDEN, CHANNELS)
    first = (tl.program_id(0) // blocks).to(tl.int64) * TOKENS
    token_T1 = tl.arange(0, TOKENS)[:, None]
    channel_1M = (tl.program_id(0) % blocks * CHANNELS + tl.arange(0, CHANNELS))[None, :]
    exists_TM = (token_T1 < tokens - first) & (channel_1M < HIDDEN)
    return (first + token_T1) * HIDDEN + channel_1M, (first + token_T1) * (2 * HIDDEN) + channel_1M, exists_TM


@triton.jit
def load(pointer_TM, exists_TM):
    return tl.load(pointer_TM, mask=exists_TM, other=0.0).to(tl.float32)


@triton.jit
def store(pointer, offset_TM, exists_TM, x_TM):
    tl.store(pointer + offset_TM, x_TM.to(pointer.dtype.element_ty), mask=exists_TM)


@fast_launch
@triton.jit(do_not_specialize=("tokens",))
def swiglu_kernel(h, y, tokens, HIDDEN: tl.constexpr, TOKENS: tl.constexpr, CHANNELS: tl.constexpr):
    """Writes y (tokens, HIDDEN) from h (tokens, 2 HIDDEN)."""
    y_offset_TM, h_offset_TM, exists_TM = tile(tokens, HIDDEN, TOKENS, CHANNELS)
    gate_TM, up_TM = load(h + h_offset_TM, exists_TM), load(h + HIDDEN + h_offset_TM, exists_TM)
    store(y, y_offset_TM, exists_TM, gate_TM * sigmoid(gate_TM) * up_TM)


@fast_launch
@triton.jit(do_not_specialize=("tokens",))
def swiglu_gradient_kernel(
    y_gradient, h, h_gradient, y, tokens, HIDDEN: tl.constexpr, TOKENS: tl.constexpr, CHANNELS: tl.constexpr
):
    """Writes the gradient of h (tokens, 2 HIDDEN), and y (tokens, HIDDEN) in place of its gradient."""
    y_offset_TM, h_offset_TM, exists_TM = tile(tokens, HIDDEN, TOKENS, CHANNELS)
    y_gradient_TM = load(y_gradient + y_offset_TM, exists_TM)
    gate_TM, up_TM = load(h + h_offset_TM, exists_TM), load(h + HIDDEN + h_offset_TM, exists_TM)
    sigmoid_TM = sigmoid(gate_TM)
    silu_TM = gate_TM * sigmoid_TM
    store(y, y_offset_TM, exists_TM, silu_TM * up_TM)
    store(h_gradient, h_offset_TM, exists_TM, y_gradient_TM * up_TM * (sigmoid_TM + silu_TM * (1 - sigmoid_TM)))
    store(h_gradient + HIDDEN, h_offset_TM, exists_TM, y_gradient_TM * silu_TM)
