# mypy: allow-untyped-defs
"""Device functions of the Triton kernels for one chunk of one head: its tokens, its decay, its scores.

Let G_i be the sum of the log decays of a chunk's tokens up to and including i, L its last token, and S the state before
it. Then (arXiv 2312.06635, section 4)

    o_i = (q_i e^G_i) S + sum over j <= i of scores_ij v_j,      scores_ij = (q_i e^(G_i - G_j)) . k_j
    S'  = e^G_L S + sum over j of (k_j e^(G_L - G_j))^T v_j

No exponent here is positive. Computing the scores as one matmul of q_i e^(G_i - G_L) and k_j e^(G_L - G_j) introduces a
positive one, of at most -G_L. fp32 and bf16 share their range and represent it, unless some channel forgets more than
2^-80 within the chunk. A program that finds such a chunk repeats all its work with EXACT scores, which are slower and
always correct. (A choice per chunk would cost every chunk registers.) Logarithms are to base 2, as the hardware's
exponential.

EXACT scores divide the chunk into halves, recursively. If i is in a right half, j in the left half beside it, and m is
the last token of the left half, then G_i - G_j = (G_i - G_m) + (G_m - G_j), and neither term is positive. So the scores
of each of the six levels are one matmul, and the score of a token with itself has no decay. Both terms are summed over
the tokens between, not computed as differences of sums: at a sum of a thousand, fp32 would leave four digits for the
term of a token that forgets little.
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
"""Precision of fp32 matmuls: three TF32 passes, which equal fp32 up to its last bits. With one TF32 pass, as Triton 3.6
compiles it, training steps of DiG-S/2 ended in an illegal memory access on an H100."""


# C tokens of a chunk, K key channels, V value channels, R rank of the gate
@triton.jit
def chunk_tokens(chunk, num_tokens, rows, columns, order):
    """Returns the image tokens of a chunk of the scan, (C,), and the mask of those that exist.


    Multiplies by 1 / rows to get the number of complete columns, which is exact below a million tokens. An integer
    division would take twenty instructions.
    """
    position_C = chunk * C + tl.arange(0, C)
    exists_C = position_C < num_tokens
    position_C = tl.where(order % 2 == 1, num_tokens - 1 - position_C, position_C)
    column_C = ((position_C.to(tl.float32) + 0.5) * (1.0 / rows)).to(tl.int32)
    by_columns_C = (position_C - column_C * rows) * columns + column_C
    return tl.where(order >= 2, by_columns_C, position_C), exists_C


@triton.jit
def tile(pointer, token_C, row_channels, WIDTH: tl.constexpr):
    """Returns the addresses of the tokens' channels, (C, WIDTH)."""
    return pointer + token_C[:, None] * row_channels + tl.arange(0, WIDTH)[None, :]


@triton.jit
def load_tile(pointer, token_C, exists_C, row_channels, WIDTH: tl.constexpr):
    return tl.load(tile(pointer, token_C, row_channels, WIDTH), mask=exists_C[:, None], other=0.0)


@triton.jit
def load_gate(gate_up, gate_bias, head):
    """Loads the up-projection (K, R) and the bias (K,) of the head's forget gate."""
    channel_K = head * K + tl.arange(0, K)
    gate_up_KR = tl.load(gate_up + channel_K[:, None] * R + tl.arange(0, R)[None, :])
    return gate_up_KR, tl.load(gate_bias + channel_K).to(tl.float32)


@triton.jit
def matmul(a, b, so_far, EXACT: tl.constexpr):
    """Multiplies a (M, L) by b (L, N) and adds so_far, unless that is None. Accumulates in fp32.

    With EXACT, splits the rows into a batch of 16 each, which Triton assigns to single warps. If warp groups share the
    matmuls of such a long loop, the code that Triton 3.6 generates reads from wrong addresses.
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
    """Loads k (C, K) and the gate's low-rank input (C, R), and computes the gate's logits (C, K) in fp32."""
    gate_up_KR, gate_bias_K = gate
    row = row_channels(heads)
    k_CK = load_tile(projected + (heads + head) * K, token_C, exists_C, row, K)
    low_rank_CR = load_tile(projected + heads * (2 * K + 2 * V), token_C, exists_C, row, R)
    up_RK = tl.trans(gate_up_KR).to(low_rank_CR.dtype)
    logits_CK = matmul(low_rank_CR, up_RK, None, EXACT) + gate_bias_K[None, :]
    return k_CK, low_rank_CR, logits_CK


@triton.jit
def row_channels(heads):
    """Returns the channels of a token of `projected`."""
    return heads * (2 * K + 2 * V) + R


@triton.jit
def log2_sigmoid(x):
    """Computes log2(sigmoid(x)) = min(x, 0) / ln 2 - log2(1 + e), e = exp(-|x|).

    Uses a minimax polynomial of degree 7 for log2(1 + e) / e on [0, 1], with a relative error of at most 2e-7. Triton's
    log2 takes three times as many instructions and is less accurate for 1 + e.
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
    """Computes tl.cumsum over the tokens of a chunk, (C, K)."""
    token_C = tl.arange(0, C)
    return sums(token_C[:, None] >= token_C[None, :], x_CK, PARTS, EXACT)


@triton.jit
def sums(counts_CC, x_CK, PARTS: tl.constexpr, EXACT: tl.constexpr):
    """Sums x, for each token (first index of `counts_CC`), over the tokens that it counts (second index), (C, K).

    Uses matmuls, which need no shuffles and keep the layout. x is split into PARTS of 8 bits each, which are exact in
    bf16 and multiply exactly with zeros and ones. Three parts are a whole fp32 mantissa, two its leading 16 bits.
    """
    ones_CC = tl.where(counts_CC, 1.0, 0.0).to(tl.bfloat16)
    high_CK = leading_bits(x_CK)
    rest_CK = x_CK - high_CK
    if PARTS == 3:
        middle_CK = leading_bits(rest_CK)
        sum_CK = matmul(ones_CC, (rest_CK - middle_CK).to(tl.bfloat16), None, EXACT)
        sum_CK = matmul(ones_CC, middle_CK.to(tl.bfloat16), sum_CK, EXACT)
    else:
        sum_CK = matmul(ones_CC, rest_CK.to(tl.bfloat16), None, EXACT)
    return matmul(ones_CC, high_CK.to(tl.bfloat16), sum_CK, EXACT)


@triton.jit
def leading_bits(x):
    """Rounds fp32 towards zero to a value that bf16 represents exactly."""
    return (x.to(tl.int32, bitcast=True) & -65536).to(tl.float32, bitcast=True)


@triton.jit
def log2_decay(logits_CK, exists_C):
    """Returns log2 of the decay of each token, (C, K), and zero for tokens that do not exist."""
    return tl.where(exists_C[:, None], log2_sigmoid(logits_CK) * (1 / NORMALIZER), 0.0)


@triton.jit
def cumulative_decay(logits_CK, exists_C, dtype: tl.constexpr, EXACT: tl.constexpr):
    """Returns log2 of the decay from before the chunk to each of its tokens, (C, K), and to its end, (K,).

    The sums never increase, so the smallest is the last. If q and k are bf16, 16 bits of a decay are enough.
    """
    parts: tl.constexpr = 2 if dtype == tl.bfloat16 else 3
    cumulative_CK = running_sum(log2_decay(logits_CK, exists_C), parts, EXACT)
    return cumulative_CK, tl.min(cumulative_CK, axis=0)


@triton.jit
def attend(q_CK, k_CK, v_CV, cumulative_CK, total_K, state_VK, source, EXACT: tl.constexpr):
    """Returns the outputs of a chunk (C, V), the state after it (V, K), and q times the decay (C, K), all fp32."""
    dtype = v_CV.dtype
    q_read_CK = q_CK.to(tl.float32) * (Q_SCALE * tl.exp2(cumulative_CK))
    k_write_CK = (k_CK.to(tl.float32) * tl.exp2(total_K[None, :] - cumulative_CK)).to(dtype)
    scores_CC = scores(lift(q_read_CK, total_K).to(dtype), k_write_CK, source, EXACT)
    o_CV = matmul(q_read_CK.to(dtype), tl.trans(state_VK.to(dtype)), None, EXACT)
    o_CV = matmul(scores_CC.to(dtype), v_CV, o_CV, EXACT)
    return o_CV, write(state_VK, k_write_CK, v_CV, total_K, EXACT), q_read_CK


@triton.jit
def write(state_VK, k_write_CK, v_CV, total_K, EXACT: tl.constexpr):
    """Returns the state after the chunk, (V, K)."""
    decayed_VK = state_VK * tl.exp2(total_K)[None, :]
    return matmul(tl.trans(v_CV), k_write_CK, decayed_VK, EXACT)


@triton.jit
def lift(q_read_CK, total_K):
    """Returns q_i e^(G_i - G_L), for scores that are not EXACT."""
    return q_read_CK * tl.exp2(-total_K)[None, :]


@triton.jit
def spans_too_much(total_K):
    """Returns whether a chunk with this total decay needs EXACT scores."""
    return tl.min(total_K, axis=0) < -WIDEST_SPAN


@triton.jit
def scores(q_lifted_CK, k_write_CK, source, EXACT: tl.constexpr):
    """Returns the scores (C, C) in fp32. `source` holds the arguments of load_exactly."""
    token_C = tl.arange(0, C)
    if EXACT:
        q_CK, k_CK, decay_CK = load_exactly(source)
        dtype = k_write_CK.dtype
        own_CC = matmul(q_CK.to(dtype), tl.trans(k_CK.to(dtype)), None, EXACT)
        scores_CC = tl.where(token_C[:, None] == token_C[None, :], own_CC, 0.0)
        for level in range(LEVELS):
            decayed_CK = decay_to_middle(decay_CK, level)
            q_level_CK, k_level_CK = (q_CK * decayed_CK).to(dtype), (k_CK * decayed_CK).to(dtype)
            level_CC = matmul(q_level_CK, tl.trans(k_level_CK), None, EXACT)
            scores_CC = tl.where(pairs_of_level(level), level_CC, scores_CC)
    else:
        scores_CC = matmul(q_lifted_CK, tl.trans(k_write_CK), None, EXACT)
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
    """Returns the gradients of q and k (C, K) through the scores, whose gradient is zero above the diagonal.

    Also returns, per channel, q times its gradient minus k times its gradient, for the gradient of the decay. Its terms
    have to cancel, so they are computed from the same rounded values.
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
            q_gradient_CK = matmul(level_CC, k_level_CK, None, EXACT)
            k_gradient_CK = matmul(tl.trans(level_CC), q_level_CK, None, EXACT)
            decay_pull_CK += q_level_CK.to(tl.float32) * q_gradient_CK - k_level_CK.to(tl.float32) * k_gradient_CK
            q_pull_CK += q_gradient_CK * decayed_CK
            k_pull_CK += k_gradient_CK * decayed_CK
    else:
        rounded_CC = score_gradient_CC.to(dtype)
        q_pull_CK = matmul(rounded_CC, k_write_CK, None, EXACT)
        k_pull_CK = matmul(tl.trans(rounded_CC), q_lifted_CK, None, EXACT)
        decay_pull_CK = q_lifted_CK.to(tl.float32) * q_pull_CK - k_write_CK.to(tl.float32) * k_pull_CK
        q_pull_CK *= tl.exp2(cumulative_CK - total_K[None, :])
        k_pull_CK *= tl.exp2(total_K[None, :] - cumulative_CK)
    return q_pull_CK, k_pull_CK, decay_pull_CK


@triton.jit
def load_exactly(source):
    """Loads again q times its scale, k, and log2 of the decay of each token, (C, K)."""
    projected, heads, head, token_C, exists_C, gate = source
    q_CK = load_tile(projected + head * K, token_C, exists_C, row_channels(heads), K)
    k_CK, _, logits_CK = load_keys(projected, heads, head, token_C, exists_C, gate, True)
    return q_CK.to(tl.float32) * Q_SCALE, k_CK.to(tl.float32), log2_decay(logits_CK, exists_C)


@triton.jit
def pairs_of_level(level):
    """Returns the mask (C, C) of pairs of a token in a right half of 2**level tokens and one in its left half."""
    half_C = tl.arange(0, C) >> level
    return (half_C[:, None] % 2 == 1) & (half_C[None, :] == half_C[:, None] - 1)


@triton.jit
def decay_to_middle(decay_CK, level):
    """Returns the decay between each token and the last token of its pair's left half of 2**level tokens, (C, K)."""
    token_C = tl.arange(0, C)
    half_C = token_C >> level
    is_right_C1 = (half_C % 2 == 1)[:, None]
    is_up_to_CC = token_C[None, :] <= token_C[:, None]
    counts_CC = (half_C[:, None] == half_C[None, :]) & (is_up_to_CC == is_right_C1)
    return tl.exp2(sums(counts_CC, decay_CK, 3, True))
