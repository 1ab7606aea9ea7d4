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
    column_C = position_C // rows
    by_columns_C = (position_C - column_C * rows) * columns + column_C
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
def sigmoid(x):
    """By a reciprocal square root, one instruction where Triton's division is eight."""
    root = tl.rsqrt(1.0 + tl.exp2(-x * LOG2_E))
    return root * root


@triton.jit
def log2_sigmoid(x):
    """min(x, 0) / ln 2 - log2(1 + e), e = exp(-|x|): by the polynomial for log2(1 + e) / e on [0, 1].

    Of degree 7, least in its largest relative error, 2e-7. Triton's log2 is three times as long and, of 1 + e, worse.
    """
    e = tl.exp2(-tl.abs(x) * LOG2_E)
    p = -0.012319474 * e + 0.0636078937
    p = p * e - 0.155351874
    p = p * e + 0.256009719
    p = p * e - 0.353394827
    p = p * e + 0.480063697
    p = p * e - 0.721310088
    p = p * e + 1.44269476
    return tl.minimum(x, 0.0) * LOG2_E - p * e


@triton.jit
def cumulative_decay(logits_CK, exists_C):
    """log2 of the decay from before the chunk to each of its tokens, (C, K), and to its end, (K,).

    A token that does not exist forgets nothing. As the sums never rise, the smallest is the last.
    """
    log2_decay_CK = tl.where(exists_C[:, None], log2_sigmoid(logits_CK) * (1 / NORMALIZER), 0.0)
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
def attend(q_CK, k_CK, v_CV, cumulative_CK, total_K, state_VK, PRECISION: tl.constexpr):
    """The chunk's outputs (C, V), the state after it (V, K), and q as it reads the state before it (C, K): fp32."""
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
    o_CV = tl.dot(q_read_CK.to(dtype), tl.trans(state_VK.to(dtype)), input_precision=PRECISION)
    o_CV = tl.dot(scores_CC.to(dtype), v_CV, o_CV, input_precision=PRECISION)
    state_VK = write(state_VK, k_write_CK, v_CV, total_K, PRECISION)
    return o_CV, state_VK, q_read_CK


@triton.jit
def write(state_VK, k_write_CK, v_CV, total_K, PRECISION: tl.constexpr):
    """The state after the chunk."""
    decayed_VK = state_VK * tl.exp2(total_K)[None, :]
    return tl.dot(tl.trans(v_CV), k_write_CK, decayed_VK, input_precision=PRECISION)


@triton.jit
def pull(q_CK, k_CK, q_read_CK, k_write_CK, cumulative_CK, total_K, score_gradient_CC, PRECISION: tl.constexpr):
    """The way back through the scores of a chunk, given their gradient below the diagonal.

    Returns the scores (C, C), the gradients of q and k through them (C, K), and, of each channel, q times its gradient
    less k times its own: what they say of the decay. There, terms that must cancel are made of the same rounded numbers.
    """
    token_C = tl.arange(0, C)
    dtype = k_write_CK.dtype
    if tl.min(total_K, axis=0) > -WIDEST_SPAN:
        q_lifted_CK = (q_read_CK * tl.exp2(-total_K)[None, :]).to(dtype)
        scores_CC = tl.dot(q_lifted_CK, tl.trans(k_write_CK), input_precision=PRECISION)
        scores_CC = tl.where(token_C[:, None] >= token_C[None, :], scores_CC, 0.0)
        rounded_CC = score_gradient_CC.to(dtype)
        q_pull_CK = tl.dot(rounded_CC, k_write_CK, input_precision=PRECISION)
        k_pull_CK = tl.dot(tl.trans(rounded_CC), q_lifted_CK, input_precision=PRECISION)
        decay_pull_CK = q_lifted_CK.to(tl.float32) * q_pull_CK - k_write_CK.to(tl.float32) * k_pull_CK
        q_pull_CK *= tl.exp2(cumulative_CK - total_K[None, :])
        k_pull_CK *= tl.exp2(total_K[None, :] - cumulative_CK)
    else:
        scores_CC = exact_scores(q_CK, k_CK, cumulative_CK)
        q_pull_CK, k_pull_CK = exact_pull(q_CK, k_CK, cumulative_CK, score_gradient_CC)
        decay_pull_CK = q_CK * q_pull_CK - k_CK * k_pull_CK
    return scores_CC, q_pull_CK, k_pull_CK, decay_pull_CK


@triton.jit
def exact_pull(q_CK, k_CK, cumulative_CK, score_gradient_CC):
    """The gradients of q and k through exact_scores."""
    token_C = tl.arange(0, C)
    past_CC = token_C[:, None] >= token_C[None, :]
    q_pull_CK, k_pull_CK = tl.zeros((C, K), tl.float32), tl.zeros((C, K), tl.float32)
    for channel in range(K):
        cumulative_C = column(cumulative_CK, channel)
        span_CC = tl.where(past_CC, cumulative_C[:, None] - cumulative_C[None, :], -float("inf"))
        decayed_CC = tl.exp2(span_CC) * score_gradient_CC
        q_pull_C = tl.sum(decayed_CC * column(k_CK, channel)[None, :], axis=1)
        k_pull_C = tl.sum(decayed_CC * column(q_CK, channel)[:, None], axis=0)
        is_channel_1K = tl.arange(0, K)[None, :] == channel
        q_pull_CK = tl.where(is_channel_1K, q_pull_C[:, None], q_pull_CK)
        k_pull_CK = tl.where(is_channel_1K, k_pull_C[:, None], k_pull_CK)
    return q_pull_CK, k_pull_CK
