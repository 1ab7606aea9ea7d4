# mypy: allow-untyped-defs
"""Backward pass in two walks over the segments of forward_kernels.py, with a scan over segments in between.

The first walk goes forward. It recomputes the outputs, propagates the gradient through norm and swish gate to them,
stores the state before each chunk, and sums what each segment contributes to the gradient of the state before it. The
second walk goes backward with the gradient of the state in registers, and computes all other gradients.

With dP the gradient of the scores, dS the gradient of the state after the chunk, and G, S, L as in chunk.py,

    dq_i = e^G_i (do_i S^T) + sum over j <= i of dP_ij e^(G_i - G_j) k_j
    dk_j = e^(G_L - G_j) (v_j dS^T) + sum over i >= j of dP_ij e^(G_i - G_j) q_i
    dv_j = (k_j e^(G_L - G_j)) dS + sum over i >= j of scores_ij do_i

The log decay of token t is part of G_i - G_j for every pair j < t <= i, so its gradient is a sum over these pairs, per
channel: from before the chunk to t or later, from before t to past the chunk, across the whole chunk, and inside it.
The inside part is the sum of q dq - k dk from t on. The pairs i = j would cancel there and are kept out, because under
a strong decay their rounding errors would exceed the rest.
"""

import triton
import triton.language as tl

from dig_models.kernels.gla_mixer.chunk import (
    NORMALIZER,
    Q_SCALE,
    C,
    K,
    R,
    V,
    attend,
    chunk_tokens,
    cumulative_decay,
    lift,
    load_gate,
    load_keys,
    load_tile,
    matmul,
    pull,
    row_channels,
    running_sum,
    scores,
    spans_too_much,
    tile,
)
from dig_models.kernels.gla_mixer.forward_kernels import EPS, SIZES, segment_chunks_of, state_tile
from dig_models.kernels.launch import fast_launch
from dig_models.kernels.triton_math import sigmoid


# B batch, T tokens, H heads, S segments, N chunks, C tokens of a chunk, K key channels, V value channels, R gate rank
@fast_launch
@triton.jit(do_not_specialize=SIZES)
def output_gradients_kernel(
    projected,
    gate_up,
    gate_bias,
    norm_weight,
    states,
    y_gradient,
    projected_gradient,
    o_gradient,
    chunk_states,
    start_gradients,
    decays,
    norm_weight_partials,
    heads,
    num_tokens,
    rows,
    columns,
    order,
    segment_chunks,
    STAGES: tl.constexpr,
):
    """Computes the gradients of o (B, T, H V), g (in projected_gradient) and the norm weight by chunk (B N H, V).

    Also stores the states before the chunks (B, H, N, V, K), what each segment but the first adds to the gradient of
    the state before it (B, H, S-1, V, K), and the decay of a later gradient (B, H, S-1, K). Grid (H, S, B).
    """
    arguments = (
        projected,
        gate_up,
        gate_bias,
        norm_weight,
        states,
        y_gradient,
        projected_gradient,
        o_gradient,
        chunk_states,
        start_gradients,
        decays,
        norm_weight_partials,
    )
    sizes = heads, num_tokens, rows, columns, order, segment_chunks
    if output_gradients(arguments, sizes, STAGES, False):
        output_gradients_exactly(arguments, sizes)


@triton.jit(noinline=True)
def output_gradients_exactly(arguments, sizes):
    """Runs `output_gradients` with EXACT scores. Not inlined, as outputs_exactly."""
    output_gradients(arguments, sizes, 1, True)


@triton.jit
def output_gradients(arguments, sizes, STAGES: tl.constexpr, EXACT: tl.constexpr):
    """Computes a segment's gradients. Returns whether one of its chunks needs EXACT scores."""
    (
        projected,
        gate_up,
        gate_bias,
        norm_weight,
        states,
        y_gradient,
        projected_gradient,
        o_gradient,
        chunk_states,
        start_gradients,
        decays,
        norm_weight_partials,
    ) = arguments
    heads, num_tokens, rows, columns, order, segment_chunks = sizes
    head, segment, batch = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    segments = tl.num_programs(1)
    row = row_channels(heads)
    projected += batch.to(tl.int64) * num_tokens * row
    projected_gradient += batch.to(tl.int64) * num_tokens * row
    y_gradient += batch.to(tl.int64) * num_tokens * heads * V
    o_gradient += batch.to(tl.int64) * num_tokens * heads * V
    gate = load_gate(gate_up, gate_bias, head)
    norm_weight_V = tl.load(norm_weight + tl.arange(0, V)).to(tl.float32)

    before = state_tile(states, batch, head, heads, segment - 1, segments - 1)
    state_VK = tl.load(before, mask=segment > 0, other=0.0)
    start_gradient_VK = tl.zeros((V, K), tl.float32)
    so_far_K = tl.zeros((K,), tl.float32)
    needs_exact = False
    num_chunks = tl.cdiv(num_tokens, C)
    first, end = segment_chunks_of(segment, segment_chunks, num_tokens)
    for chunk in tl.range(first, end, num_stages=STAGES):
        token_C, exists_C = chunk_tokens(chunk, num_tokens, rows, columns, order)
        q_CK = load_tile(projected + head * K, token_C, exists_C, row, K)
        k_CK, _, logits_CK = load_keys(projected, heads, head, token_C, exists_C, gate, EXACT)
        v_CV = load_tile(projected + heads * 2 * K + head * V, token_C, exists_C, row, V)
        g_CV = load_tile(projected + heads * (2 * K + V) + head * V, token_C, exists_C, row, V).to(tl.float32)
        y_gradient_CV = load_tile(y_gradient + head * V, token_C, exists_C, heads * V, V).to(tl.float32)
        dtype = v_CV.dtype

        chunk_state = state_tile(chunk_states, batch, head, heads, chunk, num_chunks)
        tl.store(chunk_state, state_VK.to(dtype))
        cumulative_CK, total_K = cumulative_decay(logits_CK, exists_C, dtype, EXACT)
        needs_exact |= spans_too_much(total_K)
        source = projected, heads, head, token_C, exists_C, gate
        o_CV, state_VK, q_read_CK = attend(q_CK, k_CK, v_CV, cumulative_CK, total_K, state_VK, source, EXACT)

        inverse_rms_C = tl.rsqrt(tl.sum(o_CV * o_CV, axis=1) / V + EPS)
        normal_CV = o_CV * inverse_rms_C[:, None]
        sigmoid_CV = sigmoid(g_CV)
        gate_CV = g_CV * sigmoid_CV
        y_by_weight_CV = y_gradient_CV * normal_CV
        g_gradient_CV = y_by_weight_CV * norm_weight_V[None, :] * (sigmoid_CV + gate_CV * (1.0 - sigmoid_CV))
        g_slot = tile(projected_gradient + heads * (2 * K + V) + head * V, token_C, row, V)
        tl.store(g_slot, g_gradient_CV.to(dtype), mask=exists_C[:, None])

        y_by_weight_CV *= gate_CV
        partial = norm_weight_partials + ((batch * num_chunks + chunk) * heads + head) * V + tl.arange(0, V)
        tl.store(partial, tl.sum(y_by_weight_CV, axis=0))
        along_C = tl.sum(y_by_weight_CV * norm_weight_V[None, :], axis=1) / V
        normal_gradient_CV = y_gradient_CV * norm_weight_V[None, :] * gate_CV
        o_gradient_CV = (inverse_rms_C[:, None] * (normal_gradient_CV - normal_CV * along_C[:, None])).to(dtype)
        tl.store(tile(o_gradient + head * V, token_C, heads * V, V), o_gradient_CV, mask=exists_C[:, None])

        read_CK = (q_read_CK * tl.exp2(so_far_K)[None, :]).to(dtype)
        start_gradient_VK = matmul(tl.trans(o_gradient_CV), read_CK, start_gradient_VK, EXACT)
        so_far_K += total_K

    is_later = segment > 0
    start_gradient = state_tile(start_gradients, batch, head, heads, segment - 1, segments - 1)
    tl.store(start_gradient, start_gradient_VK, mask=is_later)
    decay = decays + ((batch * heads + head) * (segments - 1) + segment - 1) * K + tl.arange(0, K)
    tl.store(decay, tl.exp2(so_far_K), mask=is_later)
    return needs_exact


@fast_launch
@triton.jit(do_not_specialize=SIZES)
def input_gradients_kernel(
    projected,
    gate_up,
    gate_bias,
    chunk_states,
    start_gradients,
    o_gradient,
    projected_gradient,
    logits_gradient,
    gate_up_partials,
    gate_bias_partials,
    heads,
    num_tokens,
    rows,
    columns,
    order,
    segment_chunks,
    STAGES: tl.constexpr,
):
    """Computes the gradients of q, k and v (in projected_gradient), and of the gate's logits (B, T, H K).

    Also stores the partial sums of the gradients of the gate's up-projection and bias by segment, (B S, H K, R) and
    (B S, H K). Grid (H, S, B).
    """
    arguments = (
        projected,
        gate_up,
        gate_bias,
        chunk_states,
        start_gradients,
        o_gradient,
        projected_gradient,
        logits_gradient,
        gate_up_partials,
        gate_bias_partials,
    )
    sizes = heads, num_tokens, rows, columns, order, segment_chunks
    if input_gradients(arguments, sizes, STAGES, False):
        input_gradients_exactly(arguments, sizes)


@triton.jit(noinline=True)
def input_gradients_exactly(arguments, sizes):
    """Runs `input_gradients` with EXACT scores. Not inlined, as outputs_exactly."""
    input_gradients(arguments, sizes, 1, True)


@triton.jit
def input_gradients(arguments, sizes, STAGES: tl.constexpr, EXACT: tl.constexpr):
    """Computes a segment's gradients. Returns whether one of its chunks needs EXACT scores."""
    (
        projected,
        gate_up,
        gate_bias,
        chunk_states,
        start_gradients,
        o_gradient,
        projected_gradient,
        logits_gradient,
        gate_up_partials,
        gate_bias_partials,
    ) = arguments
    heads, num_tokens, rows, columns, order, segment_chunks = sizes
    head, segment, batch = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    segments = tl.num_programs(1)
    row = row_channels(heads)
    projected += batch.to(tl.int64) * num_tokens * row
    projected_gradient += batch.to(tl.int64) * num_tokens * row
    o_gradient += batch.to(tl.int64) * num_tokens * heads * V
    logits_gradient += batch.to(tl.int64) * num_tokens * heads * K
    gate = load_gate(gate_up, gate_bias, head)

    after = state_tile(start_gradients, batch, head, heads, segment, segments - 1)
    state_gradient_VK = tl.load(after, mask=segment < segments - 1, other=0.0)
    gate_up_gradient_KR = tl.zeros((K, R), tl.float32)
    gate_bias_gradient_K = tl.zeros((K,), tl.float32)
    needs_exact = False
    num_chunks = tl.cdiv(num_tokens, C)
    first, end = segment_chunks_of(segment, segment_chunks, num_tokens)
    for step in tl.range(end - first, num_stages=STAGES):
        chunk = end - 1 - step
        token_C, exists_C = chunk_tokens(chunk, num_tokens, rows, columns, order)
        q_CK = load_tile(projected + head * K, token_C, exists_C, row, K)
        k_CK, low_rank_CR, logits_CK = load_keys(projected, heads, head, token_C, exists_C, gate, EXACT)
        v_CV = load_tile(projected + heads * 2 * K + head * V, token_C, exists_C, row, V)
        o_gradient_CV = load_tile(o_gradient + head * V, token_C, exists_C, heads * V, V)
        state_VK = tl.load(state_tile(chunk_states, batch, head, heads, chunk, num_chunks))
        dtype = v_CV.dtype

        cumulative_CK, total_K = cumulative_decay(logits_CK, exists_C, dtype, EXACT)
        q_CK, k_CK = q_CK.to(tl.float32) * Q_SCALE, k_CK.to(tl.float32)
        q_read_CK = q_CK * tl.exp2(cumulative_CK)
        k_write_CK = (k_CK * tl.exp2(total_K[None, :] - cumulative_CK)).to(dtype)
        q_lifted_CK = lift(q_read_CK, total_K).to(dtype)
        needs_exact |= spans_too_much(total_K)
        source = projected, heads, head, token_C, exists_C, gate
        exists_C1 = exists_C[:, None]

        rounded_VK = state_gradient_VK.to(dtype)
        scores_CC = scores(q_lifted_CK, k_write_CK, source, EXACT).to(dtype)
        v_gradient_CV = matmul(k_write_CK, tl.trans(rounded_VK), None, EXACT)
        v_gradient_CV = matmul(tl.trans(scores_CC), o_gradient_CV, v_gradient_CV, EXACT)
        v_slot = tile(projected_gradient + heads * 2 * K + head * V, token_C, row, V)
        tl.store(v_slot, v_gradient_CV.to(dtype), mask=exists_C1)

        index_C = tl.arange(0, C)
        score_gradient_CC = matmul(o_gradient_CV, tl.trans(v_CV), None, EXACT)
        own_C = tl.sum(tl.where(index_C[:, None] == index_C[None, :], score_gradient_CC, 0.0), axis=1)
        score_gradient_CC = tl.where(index_C[:, None] > index_C[None, :], score_gradient_CC, 0.0)
        q_gradient_CK, k_gradient_CK, decay_CK = pull(
            q_lifted_CK, k_write_CK, cumulative_CK, total_K, score_gradient_CC, source, EXACT
        )

        from_past_CK = matmul(o_gradient_CV, state_VK, None, EXACT)
        q_gradient_CK += own_C[:, None] * k_CK + from_past_CK * tl.exp2(cumulative_CK)
        q_slot = tile(projected_gradient + head * K, token_C, row, K)
        tl.store(q_slot, (q_gradient_CK * Q_SCALE).to(dtype), mask=exists_C1)
        decay_CK += from_past_CK * q_read_CK

        from_future_CK = matmul(v_CV, rounded_VK, None, EXACT)
        from_future_CK *= tl.exp2(total_K[None, :] - cumulative_CK)
        k_gradient_CK += own_C[:, None] * q_CK + from_future_CK
        k_slot = tile(projected_gradient + (heads + head) * K, token_C, row, K)
        tl.store(k_slot, k_gradient_CK.to(dtype), mask=exists_C1)
        from_future_CK *= k_CK

        decayed_VK = state_gradient_VK * tl.exp2(total_K)[None, :]
        to_future_K = tl.sum(state_VK.to(tl.float32) * decayed_VK, axis=0) + tl.sum(decay_CK, axis=0)
        decay_CK -= from_future_CK
        # The sum from the token on is the total minus the running sum, plus the token's own term.
        decay_CK += to_future_K[None, :] - running_sum(decay_CK, 3, EXACT)
        logits_gradient_CK = tl.where(exists_C1, decay_CK * sigmoid(-logits_CK) * (1 / NORMALIZER), 0.0)
        gate_bias_gradient_K += tl.sum(logits_gradient_CK, axis=0)
        logits_gradient_CK = logits_gradient_CK.to(dtype)
        tl.store(tile(logits_gradient + head * K, token_C, heads * K, K), logits_gradient_CK, mask=exists_C1)
        gate_up_gradient_KR = matmul(tl.trans(logits_gradient_CK), low_rank_CR, gate_up_gradient_KR, EXACT)

        state_gradient_VK = matmul(tl.trans(o_gradient_CV), q_read_CK.to(dtype), decayed_VK, EXACT)

    channel_K = ((batch * segments + segment) * heads + head) * K + tl.arange(0, K)
    tl.store(gate_up_partials + channel_K[:, None] * R + tl.arange(0, R)[None, :], gate_up_gradient_KR)
    tl.store(gate_bias_partials + channel_K, gate_bias_gradient_K)
    return needs_exact
