"""What the Triton kernels do to one chunk of one head: find its tokens, its decay and its scores.

Within a chunk, with G_i the sum of the log decays of its tokens up to and including i, L its last token and S the state
before it (arXiv 2312.06635, section 4),

    o_i = (q_i e^G_i) S + sum over j <= i of scores_ij v_j,      scores_ij = (q_i e^(G_i - G_j)) . k_j
    S'  = e^G_L S + sum over j of (k_j e^(G_L - G_j))^T v_j

No exponent here is positive. The scores as one matrix product of q_i e^(G_i - G_L) and k_j e^(G_L - G_j) have one that
is, by at most -G_L: fine in fp32 and bf16, which share their range, until some channel forgets more than 2^-80 within
the chunk. Such a chunk takes its scores channel by channel from the differences, which is slower and always right.
Logarithms are to base 2, the base of the hardware's exponential.
"""

import triton
import triton.language as tl

from dig_models.kernels.gla_mixer import GATE_NORMALIZER, GATE_RANK, KEY_CHANNELS, VALUE_CHANNELS

CHUNK_TOKENS = 64
C = tl.constexpr(CHUNK_TOKENS)
K = tl.constexpr(KEY_CHANNELS)
V = tl.constexpr(VALUE_CHANNELS)
R = tl.constexpr(GATE_RANK)
Q_SCALE = tl.constexpr(KEY_CHANNELS**-0.5)
NORMALIZER = tl.constexpr(GATE_NORMALIZER)
LOG2_E = tl.constexpr(1.4426950408889634)
WIDEST_SPAN = tl.constexpr(80.0)


# C tokens of a chunk, K key channels, V value channels, R rank of the gate
@triton.jit
def chunk_tokens(chunk, num_tokens, rows, columns, order):
    """The image tokens of a chunk of the scan, (C,), and which of them exist: the last chunk may be short."""
    position_C = chunk * C + tl.arange(0, C)
    exists_C = position_C < num_tokens
    position_C = tl.where(order % 2 == 1, num_tokens - 1 - position_C, position_C)
    by_columns_C = position_C % rows * columns + position_C // rows
    return tl.where(order >= 2, by_columns_C, position_C), exists_C


@triton.jit
def tile(pointer, token_C, row_channels, WIDTH: tl.constexpr):
    """Addresses of (C, WIDTH) channels of these tokens."""
    return pointer + token_C[:, None] * row_channels + tl.arange(0, WIDTH)[None, :]


@triton.jit
def load_tile(pointer, token_C, exists_C, row_channels, WIDTH: tl.constexpr):
    return tl.load(tile(pointer, token_C, row_channels, WIDTH), mask=exists_C[:, None], other=0.0)


@triton.jit
def gate_logits(low_rank_CR, gate_up_KR, gate_bias_K, PRECISION: tl.constexpr):
    up_RK = tl.trans(gate_up_KR).to(low_rank_CR.dtype)
    return tl.dot(low_rank_CR, up_RK, input_precision=PRECISION) + gate_bias_K[None, :]


@triton.jit
def cumulative_decay(logits_CK, exists_C):
    """log2 of the decay from before the chunk to each of its tokens, (C, K), and to its end, (K,).

    A token that does not exist forgets nothing. As the sums never rise, the smallest is the last.
    """
    log2_sigmoid_CK = tl.minimum(logits_CK, 0.0) * LOG2_E - tl.log2(1.0 + tl.exp2(-tl.abs(logits_CK) * LOG2_E))
    log2_decay_CK = tl.where(exists_C[:, None], log2_sigmoid_CK / NORMALIZER, 0.0)
    cumulative_CK = tl.cumsum(log2_decay_CK, axis=0)
    return cumulative_CK, tl.min(cumulative_CK, axis=0)


@triton.jit
def column(x_CK, channel):
    return tl.sum(tl.where(tl.arange(0, K)[None, :] == channel, x_CK, 0.0), axis=1)


@triton.jit
def exact_scores(q_CK, k_CK, cumulative_CK):
    """Every exponent a difference, channel by channel: (C, C) of fp32."""
    token_C = tl.arange(0, C)
    past_CC = token_C[:, None] >= token_C[None, :]
    scores_CC = tl.zeros((C, C), tl.float32)
    for channel in range(K):
        cumulative_C = column(cumulative_CK, channel)
        span_CC = tl.where(past_CC, cumulative_C[:, None] - cumulative_C[None, :], -float("inf"))
        scores_CC += tl.exp2(span_CC) * column(q_CK, channel)[:, None] * column(k_CK, channel)[None, :]
    return scores_CC


@triton.jit
def attend(q_CK, k_CK, v_CV, cumulative_CK, total_K, state_KV, PRECISION: tl.constexpr):
    """The chunk's outputs (C, V), the state after it (K, V), and q as it reads the state before it (C, K): fp32."""
    token_C = tl.arange(0, C)
    dtype = v_CV.dtype
    q_CK, k_CK = q_CK.to(tl.float32) * Q_SCALE, k_CK.to(tl.float32)
    q_read_CK = q_CK * tl.exp2(cumulative_CK)
    k_write_CK = (k_CK * tl.exp2(total_K[None, :] - cumulative_CK)).to(dtype)
    if tl.min(total_K, axis=0) > -WIDEST_SPAN:
        q_lifted_CK = (q_read_CK * tl.exp2(-total_K)[None, :]).to(dtype)
        scores_CC = tl.dot(q_lifted_CK, tl.trans(k_write_CK), input_precision=PRECISION)
        scores_CC = tl.where(token_C[:, None] >= token_C[None, :], scores_CC, 0.0)
    else:
        scores_CC = exact_scores(q_CK, k_CK, cumulative_CK)
    o_CV = tl.dot(q_read_CK.to(dtype), state_KV.to(dtype), input_precision=PRECISION)
    o_CV = tl.dot(scores_CC.to(dtype), v_CV, o_CV, input_precision=PRECISION)
    state_KV = write(state_KV, k_write_CK, v_CV, total_K, PRECISION)
    return o_CV, state_KV, q_read_CK


@triton.jit
def write(state_KV, k_write_CK, v_CV, total_K, PRECISION: tl.constexpr):
    """The state after the chunk."""
    decayed_KV = state_KV * tl.exp2(total_K)[:, None]
    return tl.dot(tl.trans(k_write_CK), v_CV, decayed_KV, input_precision=PRECISION)
