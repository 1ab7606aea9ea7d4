# mypy: allow-untyped-defs
"""Forward pass in up to three launches over segments.

One program walks over the chunks of a segment, with the state in registers. The launches compute what each segment adds
to the state, the states between segments if there are many, and the outputs. They read keys and values twice. Only the
few states between segments go through memory.
"""

import triton
import triton.language as tl

from dig_models.kernels.gla_mixer import NORM_EPS
from dig_models.kernels.gla_mixer.chunk import (
    C,
    K,
    V,
    attend,
    chunk_tokens,
    cumulative_decay,
    load_gate,
    load_keys,
    load_tile,
    row_channels,
    spans_too_much,
    tile,
    write,
)
from dig_models.kernels.launch import fast_launch
from dig_models.kernels.triton_math import sigmoid

EPS = tl.constexpr(NORM_EPS)
SIZES = ("heads", "num_tokens", "rows", "columns", "order", "segment_chunks")
"""Arguments that Triton does not specialize on: a value of 1 or a multiple of 16 compiles no binary of its own."""


# B batch, H heads, S segments, C tokens of a chunk, K key channels, V value channels, R rank of the gate
@triton.jit
def segment_chunks_of(segment, segment_chunks, num_tokens):
    """Returns the first chunk of a segment, and the chunk after its last."""
    first = segment * segment_chunks
    return first, tl.minimum(first + segment_chunks, tl.cdiv(num_tokens, C))


@triton.jit
def state_tile(states, batch, head, heads, entry, entries):
    """Returns the addresses (V, K) of state `entry` of a head in a (B, H, entries, V, K) tensor."""
    base = ((batch * heads + head).to(tl.int64) * entries + entry) * (K * V)
    return states + base + tl.arange(0, V)[:, None] * K + tl.arange(0, K)[None, :]


@fast_launch
@triton.jit(do_not_specialize=SIZES)
def segment_states_kernel(
    projected,
    gate_up,
    gate_bias,
    states,
    decays,
    heads,
    num_tokens,
    rows,
    columns,
    order,
    segment_chunks,
    STAGES: tl.constexpr,
):
    """Computes what each segment but the last adds to the state, (B, H, S-1, V, K), and its decay, (B, H, S-1, K).

    Grid (H, S-1, B).
    """
    head, segment, batch = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    segments = tl.num_programs(1)
    row = row_channels(heads)
    projected += batch.to(tl.int64) * num_tokens * row
    gate = load_gate(gate_up, gate_bias, head)

    state_VK = tl.zeros((V, K), tl.float32)
    segment_total_K = tl.zeros((K,), tl.float32)
    first, end = segment_chunks_of(segment, segment_chunks, num_tokens)
    for chunk in tl.range(first, end, num_stages=STAGES):
        token_C, exists_C = chunk_tokens(chunk, num_tokens, rows, columns, order)
        k_CK, _, logits_CK = load_keys(projected, heads, head, token_C, exists_C, gate, False)
        v_CV = load_tile(projected + heads * 2 * K + head * V, token_C, exists_C, row, V)
        cumulative_CK, total_K = cumulative_decay(logits_CK, exists_C, v_CV.dtype, False)
        k_write_CK = (k_CK.to(tl.float32) * tl.exp2(total_K[None, :] - cumulative_CK)).to(v_CV.dtype)
        state_VK = write(state_VK, k_write_CK, v_CV, total_K, False)
        segment_total_K += total_K

    tl.store(state_tile(states, batch, head, heads, segment, segments), state_VK)
    decay = decays + ((batch * heads + head) * segments + segment) * K + tl.arange(0, K)
    tl.store(decay, tl.exp2(segment_total_K))


@fast_launch
@triton.jit(do_not_specialize=("entries",))
def scan_states_kernel(states, decays, entries, REVERSED: tl.constexpr, ROWS: tl.constexpr, STAGES: tl.constexpr):
    """Computes states[n] += decays[n] states[n-1] in place, or states[n+1] if reversed.

    `states` is (B H, entries, V, K), `decays` is (B H, entries, K).

    Grid (V / ROWS, B H): a program takes ROWS value channels.
    """
    value, sequence = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.program_id(1).to(tl.int64)
    key = tl.arange(0, K)
    offset = value[:, None] * K + key[None, :]
    state = tl.zeros((ROWS, K), tl.float32)
    for step in tl.range(entries, num_stages=STAGES):
        entry = sequence * entries + (entries - 1 - step if REVERSED else step)
        decay = tl.load(decays + entry * K + key)
        state = state * decay[None, :] + tl.load(states + entry * (K * V) + offset)
        tl.store(states + entry * (K * V) + offset, state)


@triton.jit
def state_before(states, decays, batch, head, heads, segment, segments, is_scanned):
    """Returns the state before a segment, (V, K): from scan_states_kernel, or from what all earlier segments added."""
    state_VK = tl.zeros((V, K), tl.float32)
    for entry in tl.range(is_scanned * tl.maximum(segment - 1, 0), segment):
        decay = decays + ((batch * heads + head).to(tl.int64) * (segments - 1) + entry) * K + tl.arange(0, K)
        added_VK = tl.load(state_tile(states, batch, head, heads, entry, segments - 1))
        state_VK = state_VK * tl.load(decay)[None, :] + added_VK
    return state_VK


@fast_launch
@triton.jit(do_not_specialize=("is_scanned", *SIZES))
def outputs_kernel(
    projected,
    gate_up,
    gate_bias,
    norm_weight,
    states,
    decays,
    y,
    is_scanned,
    heads,
    num_tokens,
    rows,
    columns,
    order,
    segment_chunks,
    STAGES: tl.constexpr,
):
    """Computes y (B, T, H V) from what each segment but the last adds to the state, or from the states after them.

    `is_scanned` says that `states` holds the latter. Grid (H, S, B).
    """
    arguments = projected, gate_up, gate_bias, norm_weight, states, decays, y, is_scanned
    sizes = heads, num_tokens, rows, columns, order, segment_chunks
    if outputs(arguments, sizes, STAGES, False):
        outputs_exactly(arguments, sizes)


@triton.jit(noinline=True)
def outputs_exactly(arguments, sizes):
    """Runs `outputs` with EXACT scores. Not inlined, since its registers would make the loop of the fast path spill."""
    outputs(arguments, sizes, 1, True)


@triton.jit
def outputs(arguments, sizes, STAGES: tl.constexpr, EXACT: tl.constexpr):
    """Computes y of a segment. Returns whether one of its chunks needs EXACT scores."""
    projected, gate_up, gate_bias, norm_weight, states, decays, y, is_scanned = arguments
    heads, num_tokens, rows, columns, order, segment_chunks = sizes
    head, segment, batch = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    segments = tl.num_programs(1)
    row = row_channels(heads)
    projected += batch.to(tl.int64) * num_tokens * row
    y += batch.to(tl.int64) * num_tokens * heads * V
    gate = load_gate(gate_up, gate_bias, head)
    norm_weight_V = tl.load(norm_weight + tl.arange(0, V)).to(tl.float32)

    state_VK = state_before(states, decays, batch, head, heads, segment, segments, is_scanned)
    needs_exact = False
    first, end = segment_chunks_of(segment, segment_chunks, num_tokens)
    for chunk in tl.range(first, end, num_stages=STAGES):
        token_C, exists_C = chunk_tokens(chunk, num_tokens, rows, columns, order)
        q_CK = load_tile(projected + head * K, token_C, exists_C, row, K)
        k_CK, _, logits_CK = load_keys(projected, heads, head, token_C, exists_C, gate, EXACT)
        v_CV = load_tile(projected + heads * 2 * K + head * V, token_C, exists_C, row, V)
        g_CV = load_tile(projected + heads * (2 * K + V) + head * V, token_C, exists_C, row, V).to(tl.float32)
        cumulative_CK, total_K = cumulative_decay(logits_CK, exists_C, v_CV.dtype, EXACT)
        needs_exact |= spans_too_much(total_K)
        source = projected, heads, head, token_C, exists_C, gate
        o_CV, state_VK, _ = attend(q_CK, k_CK, v_CV, cumulative_CK, total_K, state_VK, source, EXACT)

        inverse_rms_C = tl.rsqrt(tl.sum(o_CV * o_CV, axis=1) / V + EPS)
        y_CV = o_CV * inverse_rms_C[:, None] * norm_weight_V[None, :] * g_CV * sigmoid(g_CV)
        tl.store(tile(y + head * V, token_C, heads * V, V), y_CV.to(v_CV.dtype), mask=exists_C[:, None])
    return needs_exact
