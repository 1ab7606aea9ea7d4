# mypy: allow-untyped-defs
"""What the Triton kernels do to one chunk of one head: find its tokens, its decay and its scores.

Within a chunk, with G_i the sum of the log decays of its tokens up to and including i, L its last token and S the state
before it (arXiv 2312.06635, section 4),

    o_i = (q_i e^G_i) S + sum over j <= i of scores_ij v_j,      scores_ij = (q_i e^(G_i - G_j)) . k_j
    S'  = e^G_L S + sum over j of (k_j e^(G_L - G_j))^T v_j

No exponent here is positive. The scores as one matrix product of q_i e^(G_i - G_L) and k_j e^(G_L - G_j) have one that
is, by at most -G_L: fine in fp32 and bf16, which share their range, until some channel forgets more than 2^-80 within
the chunk. A program that meets such a chunk does all its work again with EXACT scores, which is slower and always
right. (A choice chunk by chunk would cost every chunk registers.) Logarithms are to base 2, the base of the hardware's
exponential.

EXACT scores halve the chunk, the halves, and so on: where i is in a right half and j in the left half beside it, with
m the last token of the left one, G_i - G_j = (G_i - G_m) + (G_m - G_j), neither of them positive. So the scores of each
of the six levels are a matrix product, and those of a token with itself have no decay. The two differences are sums of
their own over the tokens between, not differences of sums: after a thousand, fp32 would have no more than four digits
for what a token that forgets little adds.
"""

import triton
import triton.language as tl

from dig_models.kernels.gla_mixer import GATE_NORMALIZER, GATE_RANK, KEY_CHANNELS, VALUE_CHANNELS
from dig_models.kernels.triton_math import LOG2_E

CHUNK_TOKENS = 64
C = tl.constexpr(CHUNK_TOKENS)
K = tl.constexpr(KEY_CHANNELS)
V = tl.constexpr(VALUE_CHANNELS)
LEVELS = tl.constexpr(CHUNK_TOKENS.bit_length() - 1)
R = tl.constexpr(GATE_RANK)
Q_SCALE = tl.constexpr(KEY_CHANNELS**-0.5)
NORMALIZER = tl.constexpr(GATE_NORMALIZER)
WIDEST_SPAN = tl.constexpr(80.0)
PRECISION = tl.constexpr("tf32x3")
"""Of products of fp32: TF32 three times, which is fp32 but for its last bits. With TF32 once, as Triton 3.6 makes it,
training steps of DiG-S/2 ended in an illegal memory access on an H100."""


# C tokens of a chunk, K key channels, V value channels, R rank of the gate
@triton.jit
def chunk_tokens(chunk, num_tokens, rows, columns, order):
    """The image tokens of a chunk of the scan, (C,), and which of them exist: the last chunk may be short.

    The whole number of columns scanned comes from a product with 1 / rows, exact below a million tokens: a division of
    integers takes twenty instructions.
    """
    position_C = chunk * C + tl.arange(0, C)
    exists_C = position_C < num_tokens
    position_C = tl.where(order % 2 == 1, num_tokens - 1 - position_C, position_C)
    column_C = ((position_C.to(tl.float32) + 0.5) * (1.0 / rows)).to(tl.int32)
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
def load_gate(gate_up, gate_bias, head):
    """The head's up-projection (K, R) and bias (K,)."""
    channel_K = head * K + tl.arange(0, K)
    gate_up_KR = tl.load(gate_up + channel_K[:, None] * R + tl.arange(0, R)[None, :])
    return gate_up_KR, tl.load(gate_bias + channel_K).to(tl.float32)


@triton.jit
def product(a, b, so_far, EXACT: tl.constexpr):
    """so_far, or None, and the matrix product of a (M, L) and b (L, N), in fp32.

    Beside EXACT scores as a batch of 16 rows each, which Triton leaves to single warps: where warp groups share the
    products of so long a loop, its release 3.6 has them read from the wrong places.
    """
    if EXACT:
        batch: tl.constexpr = a.shape[0] // 16
        rows = tl.reshape(a, (batch, 16, a.shape[1]))
        same = tl.broadcast_to(b[None, :, :], (batch, b.shape[0], b.shape[1]))
        result = tl.reshape(tl.dot(rows, same, input_precision=PRECISION), (a.shape[0], b.shape[1]))
        return result if so_far is None else so_far + result
    return tl.dot(a, b, so_far, input_precision=PRECISION)


@triton.jit
def load_keys(projected, heads, head, token_C, exists_C, gate, EXACT: tl.constexpr):
    """k (C, K) and the low rank (C, R) as they are; the gate's logits (C, K) in fp32."""
    gate_up_KR, gate_bias_K = gate
    row = row_channels(heads)
    k_CK = load_tile(projected + (heads + head) * K, token_C, exists_C, row, K)
    low_rank_CR = load_tile(projected + heads * (2 * K + 2 * V), token_C, exists_C, row, R)
    up_RK = tl.trans(gate_up_KR).to(low_rank_CR.dtype)
    logits_CK = product(low_rank_CR, up_RK, None, EXACT) + gate_bias_K[None, :]
    return k_CK, low_rank_CR, logits_CK


@triton.jit
def row_channels(heads):
    """The channels of a token of `projected`."""
    return heads * (2 * K + 2 * V) + R


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
def running_sum(x_CK, PARTS: tl.constexpr, EXACT: tl.constexpr):
    """tl.cumsum over the tokens of a chunk."""
    token_C = tl.arange(0, C)
    return sums(token_C[:, None] >= token_C[None, :], x_CK, PARTS, EXACT)


@triton.jit
def sums(counts_CC, x_CK, PARTS: tl.constexpr, EXACT: tl.constexpr):
    """For each token (first) the sum over the tokens that count for it (second), (C, K).

    As matrix products, which need no shuffles and keep the layout: x is split into PARTS of 8 bits each, exact in bf16,
    which zeros and ones multiply exactly. Three are all of an fp32, two its leading 16 bits.
    """
    ones_CC = tl.where(counts_CC, 1.0, 0.0).to(tl.bfloat16)
    high_CK = leading_bits(x_CK)
    rest_CK = x_CK - high_CK
    if PARTS == 3:
        middle_CK = leading_bits(rest_CK)
        sum_CK = product(ones_CC, (rest_CK - middle_CK).to(tl.bfloat16), None, EXACT)
        sum_CK = product(ones_CC, middle_CK.to(tl.bfloat16), sum_CK, EXACT)
    else:
        sum_CK = product(ones_CC, rest_CK.to(tl.bfloat16), None, EXACT)
    return product(ones_CC, high_CK.to(tl.bfloat16), sum_CK, EXACT)


@triton.jit
def leading_bits(x):
    """What of an fp32 bf16 can hold, rounded towards zero."""
    return (x.to(tl.int32, bitcast=True) & -65536).to(tl.float32, bitcast=True)


@triton.jit
def log2_decay(logits_CK, exists_C):
    """Of each token, (C, K): a token that does not exist forgets nothing."""
    return tl.where(exists_C[:, None], log2_sigmoid(logits_CK) * (1 / NORMALIZER), 0.0)


@triton.jit
def cumulative_decay(logits_CK, exists_C, dtype: tl.constexpr, EXACT: tl.constexpr):
    """log2 of the decay from before the chunk to each of its tokens, (C, K), and to its end, (K,).

    As the sums never rise, the smallest is the last. Where q and k are rounded to bf16, 16 bits of a decay are plenty.
    """
    parts: tl.constexpr = 2 if dtype == tl.bfloat16 else 3
    cumulative_CK = running_sum(log2_decay(logits_CK, exists_C), parts, EXACT)
    return cumulative_CK, tl.min(cumulative_CK, axis=0)


@triton.jit
def attend(q_CK, k_CK, v_CV, cumulative_CK, total_K, state_VK, source, EXACT: tl.constexpr):
    """The chunk's outputs (C, V), the state after it (V, K), and q as it reads the state before it (C, K): fp32."""
    dtype = v_CV.dtype
    q_read_CK = q_CK.to(tl.float32) * (Q_SCALE * tl.exp2(cumulative_CK))
    k_write_CK = (k_CK.to(tl.float32) * tl.exp2(total_K[None, :] - cumulative_CK)).to(dtype)
    scores_CC = scores(lift(q_read_CK, total_K).to(dtype), k_write_CK, source, EXACT)
    o_CV = product(q_read_CK.to(dtype), tl.trans(state_VK.to(dtype)), None, EXACT)
    o_CV = product(scores_CC.to(dtype), v_CV, o_CV, EXACT)
    return o_CV, write(state_VK, k_write_CK, v_CV, total_K, EXACT), q_read_CK


@triton.jit
def write(state_VK, k_write_CK, v_CV, total_K, EXACT: tl.constexpr):
    """The state after the chunk."""
    decayed_VK = state_VK * tl.exp2(total_K)[None, :]
    return product(tl.trans(v_CV), k_write_CK, decayed_VK, EXACT)


@triton.jit
def lift(q_read_CK, total_K):
    """q_i e^(G_i - G_L), for scores that are not exact."""
    return q_read_CK * tl.exp2(-total_K)[None, :]


@triton.jit
def spans_too_much(total_K):
    """Whether a chunk of this total needs exact scores."""
    return tl.min(total_K, axis=0) < -WIDEST_SPAN


@triton.jit
def scores(q_lifted_CK, k_write_CK, source, EXACT: tl.constexpr):
    """(C, C) in fp32. `source` is what load_exactly takes."""
    token_C = tl.arange(0, C)
    if EXACT:
        q_CK, k_CK, decay_CK = load_exactly(source)
        dtype = k_write_CK.dtype
        own_CC = product(q_CK.to(dtype), tl.trans(k_CK.to(dtype)), None, EXACT)
        scores_CC = tl.where(token_C[:, None] == token_C[None, :], own_CC, 0.0)
        for level in range(LEVELS):
            decayed_CK = decay_to_middle(decay_CK, level)
            q_level_CK, k_level_CK = (q_CK * decayed_CK).to(dtype), (k_CK * decayed_CK).to(dtype)
            level_CC = product(q_level_CK, tl.trans(k_level_CK), None, EXACT)
            scores_CC = tl.where(pairs_of_level(level), level_CC, scores_CC)
    else:
        scores_CC = product(q_lifted_CK, tl.trans(k_write_CK), None, EXACT)
        scores_CC = tl.where(token_C[:, None] >= token_C[None, :], scores_CC, 0.0)
    return scores_CC


@triton.jit
def pull(
    q_lifted_CK,
    k_write_CK,
    cumulative_CK,
    total_K,
    score_gradient_CC,
    source,
    EXACT: tl.constexpr,
):
    """The gradients of q and k (C, K) through the scores, of whose gradient only the part below the diagonal is given.

    And, of each channel, q times its gradient less k times its own, what they say of the decay: as terms of that must
    cancel, they are made of the same rounded numbers.
    """
    dtype = k_write_CK.dtype
    if EXACT:
        q_CK, k_CK, decay_CK = load_exactly(source)
        q_pull_CK, k_pull_CK = tl.zeros((C, K), tl.float32), tl.zeros((C, K), tl.float32)
        decay_pull_CK = tl.zeros((C, K), tl.float32)
        for level in range(LEVELS):
            decayed_CK = decay_to_middle(decay_CK, level)
            q_level_CK, k_level_CK = (q_CK * decayed_CK).to(dtype), (k_CK * decayed_CK).to(dtype)
            level_CC = tl.where(pairs_of_level(level), score_gradient_CC, 0.0).to(dtype)
            q_gradient_CK = product(level_CC, k_level_CK, None, EXACT)
            k_gradient_CK = product(tl.trans(level_CC), q_level_CK, None, EXACT)
            decay_pull_CK += q_level_CK.to(tl.float32) * q_gradient_CK - k_level_CK.to(tl.float32) * k_gradient_CK
            q_pull_CK += q_gradient_CK * decayed_CK
            k_pull_CK += k_gradient_CK * decayed_CK
    else:
        rounded_CC = score_gradient_CC.to(dtype)
        q_pull_CK = product(rounded_CC, k_write_CK, None, EXACT)
        k_pull_CK = product(tl.trans(rounded_CC), q_lifted_CK, None, EXACT)
        decay_pull_CK = q_lifted_CK.to(tl.float32) * q_pull_CK - k_write_CK.to(tl.float32) * k_pull_CK
        q_pull_CK *= tl.exp2(cumulative_CK - total_K[None, :])
        k_pull_CK *= tl.exp2(total_K[None, :] - cumulative_CK)
    return q_pull_CK, k_pull_CK, decay_pull_CK


@triton.jit
def load_exactly(source):
    """q times its scale, k and log2 of each token's decay, (C, K), once more."""
    projected, heads, head, token_C, exists_C, gate = source
    q_CK = load_tile(projected + head * K, token_C, exists_C, row_channels(heads), K)
    k_CK, _, logits_CK = load_keys(projected, heads, head, token_C, exists_C, gate, True)
    return q_CK.to(tl.float32) * Q_SCALE, k_CK.to(tl.float32), log2_decay(logits_CK, exists_C)


@triton.jit
def pairs_of_level(level):
    """Whether the one token (first) is in a right half of 2**level tokens, and the other in the left half beside it."""
    half_C = tl.arange(0, C) >> level
    return (half_C[:, None] % 2 == 1) & (half_C[None, :] == half_C[:, None] - 1)


@triton.jit
def decay_to_middle(decay_CK, level):
    """The decay between each token and the last one of the left half of 2**level tokens, its own or the one beside."""
    token_C = tl.arange(0, C)
    half_C = token_C >> level
    is_right_C1 = (half_C % 2 == 1)[:, None]
    is_up_to_CC = token_C[None, :] <= token_C[:, None]
    counts_CC = (half_C[:, None] == half_C[None, :]) & (is_up_to_CC == is_right_C1)
    return tl.exp2(sums(counts_CC, decay_CK, 3, True))
