"""Triton kernels behind two custom operators, which torch.compile, CUDA graphs and FLOP counters support."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from dig_models.kernels.custom_op import custom_op, wants_gradient
from dig_models.kernels.gla_mixer import GATE_RANK, KEY_CHANNELS, VALUE_CHANNELS, num_heads
from dig_models.kernels.gla_mixer.backward_kernels import input_gradients_kernel, output_gradients_kernel
from dig_models.kernels.gla_mixer.chunk import CHUNK_TOKENS
from dig_models.kernels.gla_mixer.forward_kernels import outputs_kernel, scan_states_kernel, segment_states_kernel
from dig_models.kernels.launch import cdiv
from dig_models.kernels.op import is_many, source_of

SOURCE = source_of("triton", "dig_models::gla_mixer")

PROGRAMS = {"forward": 396, "train": 264}
"""Most programs of a launch over segments: three for each of the 132 multiprocessors of an H100, or two in training,
for which the registers suffice at a time. One more program would wait for the first to end, and double the time."""
FEW_STATES = 16
"""Most states between segments that each program of the output kernel computes itself, which saves a launch. One launch
scans more states, and those from which a backward pass starts."""
LAUNCH: dict[str, dict[str, Any]] = {
    "segment_states": {"num_warps": 4, "STAGES": 3},
    "scan_states": {"num_warps": 1, "STAGES": 4, "ROWS": 8},
    "outputs": {"num_warps": 4, "STAGES": 2, "maxnreg": 168},
    "output_gradients": {"num_warps": 4, "STAGES": 2},
    "input_gradients": {"num_warps": 4, "STAGES": 2},
}
"""Warps per program (four share a matmul of 64 rows), pipeline stages of the loads, registers per thread (168 leave
room for three programs). One choice for every shape, so that each kernel compiles once per dtype."""


# B batch, T tokens, P projected channels, H heads, K key channels, V value channels of a head, R rank of the gate,
# S segments, N chunks
def gla_mixer(
    projected_BTP: Tensor,
    gate_up_HKxR: Tensor,
    gate_bias_HK: Tensor,
    norm_weight_V: Tensor,
    grid: tuple[int, int],
    order: int,
    *,
    variant: str = "auto",
) -> Tensor:
    """Takes bf16 or fp32, and computes fp32 in full precision, whatever torch.backends.cuda.matmul.allow_tf32 is."""
    if projected_BTP.dtype not in (torch.bfloat16, torch.float32):
        raise ValueError(f"gla_mixer takes bfloat16 and float32, not {projected_BTP.dtype}")
    rows, columns = grid
    if rows * columns != projected_BTP.shape[1]:
        raise ValueError(f"{projected_BTP.shape[1]} tokens are not a grid of {rows} x {columns}")
    tensors = projected_BTP.contiguous(), gate_up_HKxR.contiguous(), gate_bias_HK, norm_weight_V
    y_BTHV: Tensor = _forward(*tensors, rows, columns, order, wants_gradient(*tensors), variant)[0]
    return y_BTHV


@custom_op("dig_models::gla_mixer")
def _forward(
    projected: Tensor,
    gate_up: Tensor,
    gate_bias: Tensor,
    norm_weight: Tensor,
    rows: int,
    columns: int,
    order: int,
    trains: bool,
    variant: str,
) -> tuple[Tensor, Tensor]:
    """Returns y and, if `trains`, the states between segments, from which the backward pass starts."""
    B, T, P = projected.shape
    H = num_heads(P)
    segment_chunks, S = _segments(B, H, T, trains)
    sizes = (H, T, rows, columns, order, segment_chunks)
    y, states = _empty_outputs(projected, trains)
    decays = states.new_empty(B, H, S - 1, KEY_CHANNELS)
    is_scanned = int(trains or is_many(S - 1, FEW_STATES + 1, variant))
    if S > 1:
        segment_states_kernel[H, S - 1, B](
            projected, gate_up, gate_bias, states, decays, *sizes, **LAUNCH["segment_states"]
        )
        if is_scanned:
            _scan(states, decays, is_reversed=False)
    outputs_kernel[H, S, B](
        projected, gate_up, gate_bias, norm_weight, states, decays, y, is_scanned, *sizes, **LAUNCH["outputs"]
    )
    return y, states


@_forward.register_fake
def _(
    projected: Tensor,
    gate_up: Tensor,
    gate_bias: Tensor,
    norm_weight: Tensor,
    rows: int,
    columns: int,
    order: int,
    trains: bool,
    variant: str,
) -> tuple[Tensor, Tensor]:
    return _empty_outputs(projected, trains)


@custom_op("dig_models::gla_mixer_backward")
def _backward(
    y_gradient: Tensor,
    projected: Tensor,
    gate_up: Tensor,
    gate_bias: Tensor,
    norm_weight: Tensor,
    states: Tensor,
    rows: int,
    columns: int,
    order: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns the gradients of the first four arguments of the forward operator."""
    B, T, P = projected.shape
    H = num_heads(P)
    K, V, R = KEY_CHANNELS, VALUE_CHANNELS, GATE_RANK
    segment_chunks, S = _segments(B, H, T, trains=True)
    sizes = (H, T, rows, columns, order, segment_chunks)

    projected_gradient = torch.empty_like(projected)
    o_gradient = torch.empty_like(y_gradient)
    N = cdiv(T, CHUNK_TOKENS)
    chunk_states = projected.new_empty(B, H, N, V, K)
    start_gradients = torch.empty_like(states)
    decays = states.new_empty(B, H, S - 1, K)
    norm_weight_partials = states.new_empty(B * N * H, V)
    output_gradients_kernel[H, S, B](
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
        *sizes,
        **LAUNCH["output_gradients"],
    )
    if S > 1:
        _scan(start_gradients, decays, is_reversed=True)

    logits_gradient = projected.new_empty(B * T, H * K)
    gate_up_partials = states.new_empty(B * S, H * K, R)
    gate_bias_partials = states.new_empty(B * S, H * K)
    input_gradients_kernel[H, S, B](
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
        *sizes,
        **LAUNCH["input_gradients"],
    )
    torch.mm(logits_gradient, gate_up.to(projected.dtype), out=projected_gradient.view(B * T, P)[:, P - R :])
    return (
        projected_gradient,
        gate_up_partials.sum(0).to(gate_up.dtype),
        gate_bias_partials.sum(0).to(gate_bias.dtype),
        norm_weight_partials.sum(0).to(norm_weight.dtype),
    )


@_backward.register_fake
def _(
    y_gradient: Tensor,
    projected: Tensor,
    gate_up: Tensor,
    gate_bias: Tensor,
    norm_weight: Tensor,
    states: Tensor,
    rows: int,
    columns: int,
    order: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return tuple(map(torch.empty_like, (projected, gate_up, gate_bias, norm_weight)))  # type: ignore[return-value]


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:4], output[1])
    *ctx.scan, ctx.trains, _ = inputs[4:]


def _differentiate(ctx: Any, y_gradient: Tensor, states_gradient: Tensor | None) -> tuple[Tensor | None, ...]:
    if not ctx.trains:
        raise ValueError("dig_models::gla_mixer keeps what its gradients need only if it is called with trains=True")
    gradients: tuple[Tensor, ...] = _backward(y_gradient.contiguous(), *ctx.saved_tensors, *ctx.scan)
    return *gradients, None, None, None, None, None


_forward.register_autograd(_differentiate, setup_context=_save)


@register_flop_formula(torch.ops.dig_models.gla_mixer)
def _forward_flops(projected_shape: torch.Size, *_: Any, **__: Any) -> int:
    """Counts the gate's up-projection, and five FLOPs per token and entry of the state, as the models do."""
    B, T, P = projected_shape
    return B * T * num_heads(P) * KEY_CHANNELS * (2 * GATE_RANK + 5 * VALUE_CHANNELS)


@register_flop_formula(torch.ops.dig_models.gla_mixer_backward)
def _backward_flops(y_shape: torch.Size, projected_shape: torch.Size, *_: Any, **__: Any) -> int:
    """Counts twice the forward pass, as for a GEMM. Does not count recomputation."""
    return 2 * _forward_flops(projected_shape)


def _scan(states: Tensor, decays: Tensor, *, is_reversed: bool) -> None:
    """Turns what each segment adds into the state after it (or before it, if reversed), in place."""
    B, H, entries, V, _ = states.shape
    launch = LAUNCH["scan_states"]
    scan_states_kernel[V // launch["ROWS"], B * H](states, decays, entries, REVERSED=is_reversed, **launch)


def _empty_outputs(projected: Tensor, trains: bool) -> tuple[Tensor, Tensor]:
    B, T, P = projected.shape
    H = num_heads(P)
    y = projected.new_empty(B, T, H * VALUE_CHANNELS)
    entries = _segments(B, H, T, trains)[1] - 1
    states = projected.new_empty(B, H, entries, VALUE_CHANNELS, KEY_CHANNELS, dtype=torch.float32)
    return y, states


def _segments(B: int, H: int, T: int, trains: bool) -> tuple[int, int]:
    """Returns the chunks per segment, and the segments: as many as PROGRAMS allows, all but the last of one length."""
    chunks = cdiv(T, CHUNK_TOKENS)
    programs = PROGRAMS["train" if trains else "forward"]
    segment_chunks = cdiv(chunks, max(1, programs // (B * H)))
    return segment_chunks, cdiv(chunks, segment_chunks)
