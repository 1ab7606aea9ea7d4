# mypy: allow-untyped-defs
"""One pass each way; the backward pass makes the gate once more.

The grid is flat, the blocks of hidden channels of a block of tokens one after another.
"""

import triton
import triton.language as tl


# T tokens of a tile, M hidden channels of a tile
@triton.jit
def tile(tokens, HIDDEN: tl.constexpr, TOKENS: tl.constexpr, CHANNELS: tl.constexpr):
    """The program's first token, its other tokens (T, 1) from there, its channels (1, M), and which places exist."""
    blocks = tl.cdiv(HIDDEN, CHANNELS)
    first = (tl.program_id(0) // blocks).to(tl.int64) * TOKENS
    token_T1 = tl.arange(0, TOKENS)[:, None]
    channel_1M = (tl.program_id(0) % blocks * CHANNELS + tl.arange(0, CHANNELS))[None, :]
    return first, token_T1, channel_1M, (token_T1 < tokens - first) & (channel_1M < HIDDEN)


@triton.jit
def load(pointer_TM, exists_TM):
    return tl.load(pointer_TM, mask=exists_TM, other=0.0).to(tl.float32)


@triton.jit(do_not_specialize=("tokens",))
def swiglu_kernel(h, y, tokens, HIDDEN: tl.constexpr, TOKENS: tl.constexpr, CHANNELS: tl.constexpr):
    """y (tokens, HIDDEN) of h (tokens, 2 HIDDEN)."""
    first, token_T1, channel_1M, exists_TM = tile(tokens, HIDDEN, TOKENS, CHANNELS)
    h += first * (2 * HIDDEN) + token_T1 * (2 * HIDDEN) + channel_1M
    gate_TM, up_TM = load(h, exists_TM), load(h + HIDDEN, exists_TM)
    y_TM = gate_TM * tl.sigmoid(gate_TM) * up_TM
    y += first * HIDDEN + token_T1 * HIDDEN + channel_1M
    tl.store(y, y_TM.to(y.dtype.element_ty), mask=exists_TM)


@triton.jit(do_not_specialize=("tokens",))
def swiglu_gradient_kernel(
    y_gradient, h, h_gradient, tokens, HIDDEN: tl.constexpr, TOKENS: tl.constexpr, CHANNELS: tl.constexpr
):
    """The gradient of h (tokens, 2 HIDDEN)."""
    first, token_T1, channel_1M, exists_TM = tile(tokens, HIDDEN, TOKENS, CHANNELS)
    y_gradient += first * HIDDEN + token_T1 * HIDDEN + channel_1M
    h += first * (2 * HIDDEN) + token_T1 * (2 * HIDDEN) + channel_1M
    y_gradient_TM, gate_TM, up_TM = load(y_gradient, exists_TM), load(h, exists_TM), load(h + HIDDEN, exists_TM)
    sigmoid_TM = tl.sigmoid(gate_TM)
    silu_TM = gate_TM * sigmoid_TM
    gate_gradient_TM = y_gradient_TM * up_TM * (sigmoid_TM + silu_TM * (1 - sigmoid_TM))
    h_gradient += first * (2 * HIDDEN) + token_T1 * (2 * HIDDEN) + channel_1M
    tl.store(h_gradient, gate_gradient_TM.to(h_gradient.dtype.element_ty), mask=exists_TM)
    tl.store(h_gradient + HIDDEN, (y_gradient_TM * silu_TM).to(h_gradient.dtype.element_ty), mask=exists_TM)
