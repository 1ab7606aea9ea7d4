"""Triton kernels behind two operators, which torch.compile, CUDA graphs and FLOP counters take as they are."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from dig_models.kernels.custom_op import custom_op
from dig_models.kernels.launch import cdiv
from dig_models.kernels.op import source_of
from dig_models.kernels.residual_conv.residual_conv_kernels import (
    NUM_SUMS,
    residual_conv_gradient_kernel,
    residual_conv_kernel,
)
from dig_models.kernels.rowwise import vectors

SOURCE = source_of("triton", "dig_models::residual_conv")

LAUNCH = {
    "forward": {"programs": 990, "COLUMNS": 8, "ABREAST": 2, "CHANNELS": 128, "STAGES": 1, "num_warps": 4},
    "backward": {"programs": 1188, "COLUMNS": 8, "CHANNELS": 64, "STAGES": 2, "num_warps": 4},
}
"""Programs of all images together, as far as there are rows: half again and three times what an H100, of 132
multiprocessors, holds at a time. Columns of a program, those of a thread, channels, stages of the loads, warps.

That makes four channels of a token a thread, which holds nine weights of each, and in the backward pass nine gradients.
And it makes loads of 8 bytes: with 16 the copies of the backward pass would go past the L1 cache, from which two of
three views of a row should come.
"""


# B batch, T tokens of a grid, D width
def residual_conv(
    x_BTD: Tensor,
    gate_BD: Tensor,
    y_BTD: Tensor,
    weight_D133: Tensor,
    bias_D: Tensor,
    grid: tuple[int, int],
    order: int,
) -> Tensor:
    """As the package says. Everything past the loads is fp32; the result has x's dtype."""
    check_grid(x_BTD, grid)
    z_BTD: Tensor = _forward(x_BTD, gate_BD, y_BTD, weight_D133, bias_D, *grid, order)
    return z_BTD


def check_grid(x_BTD: Tensor, grid: tuple[int, int]) -> None:
    """ValueError for a grid of more or fewer tokens."""
    rows, columns = grid
    if rows * columns != x_BTD.shape[1]:
        raise ValueError(f"{x_BTD.shape[1]} tokens are no grid of {rows} x {columns}")


@custom_op("dig_models::residual_conv")
def _forward(
    x: Tensor, gate: Tensor, y: Tensor, weight: Tensor, bias: Tensor, rows: int, columns: int, order: int
) -> Tensor:
    x, gate, y, weight = x.contiguous(), vectors(gate), y.contiguous(), weight.contiguous()
    z = torch.empty_like(x)
    grid, sizes = _share_out(x, rows, columns, **LAUNCH["forward"])
    residual_conv_kernel[grid](x, gate, y, weight, bias, z, gate.stride(0), rows, columns, order, **sizes)
    return z


@_forward.register_fake
def _(x: Tensor, gate: Tensor, y: Tensor, weight: Tensor, bias: Tensor, rows: int, columns: int, order: int) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@custom_op("dig_models::residual_conv_backward")
def _backward(
    z_gradient: Tensor, x: Tensor, gate: Tensor, y: Tensor, weight: Tensor, rows: int, columns: int, order: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x and y, and for each image those of weight, bias and gate, (B, 11, D) in fp32."""
    z_gradient, x, y = z_gradient.contiguous(), x.contiguous(), y.contiguous()
    gate, weight = vectors(gate), weight.contiguous()
    x_gradient, y_gradient = torch.empty_like(x), torch.empty_like(y)
    grid, sizes = _share_out(x, rows, columns, **LAUNCH["backward"])
    partials = x.new_empty(x.shape[0], grid[1], NUM_SUMS, x.shape[2], dtype=torch.float32)
    residual_conv_gradient_kernel[grid](
        z_gradient,
        x,
        gate,
        y,
        weight,
        x_gradient,
        y_gradient,
        partials,
        gate.stride(0),
        rows,
        columns,
        order,
        **sizes,
    )
    return x_gradient, y_gradient, partials.sum(1)


@_backward.register_fake
def _(
    z_gradient: Tensor, x: Tensor, gate: Tensor, y: Tensor, weight: Tensor, rows: int, columns: int, order: int
) -> tuple[Tensor, Tensor, Tensor]:
    x_gradient, y_gradient = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (x, y))
    return x_gradient, y_gradient, x.new_empty(x.shape[0], NUM_SUMS, x.shape[2], dtype=torch.float32)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, gate, y, weight, _, *scan = inputs
    ctx.save_for_backward(x, gate, y, weight)
    ctx.scan = scan


def _differentiate(ctx: Any, z_gradient: Tensor) -> tuple[Tensor | None, ...]:
    return *residual_conv_gradients(z_gradient, *ctx.saved_tensors, *ctx.scan), None, None, None


def residual_conv_gradients(
    z_gradient: Tensor, x: Tensor, gate: Tensor, y: Tensor, weight: Tensor, rows: int, columns: int, order: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Of x, gate, y, weight and bias."""
    x_gradient, y_gradient, sums = _backward(z_gradient, x, gate, y, weight, rows, columns, order)
    taps_and_bias = sums[:, :-1].sum(0).to(weight.dtype)
    weight_gradient = taps_and_bias[:-1].T.reshape(weight.shape)
    return x_gradient, sums[:, -1], y_gradient, weight_gradient, taps_and_bias[-1]


_forward.register_autograd(_differentiate, setup_context=_save)


def residual_conv_flops(x_shape: torch.Size) -> int:
    """The convolution's: two for each of nine weights, a channel of a token."""
    B, T, D = x_shape
    return 2 * 9 * B * T * D


@register_flop_formula(torch.ops.dig_models.residual_conv)
def _forward_flops(x_shape: torch.Size, *_: Any, **__: Any) -> int:
    return residual_conv_flops(x_shape)


@register_flop_formula(torch.ops.dig_models.residual_conv_backward)
def _backward_flops(z_shape: torch.Size, *_: Any, **__: Any) -> int:
    return 2 * residual_conv_flops(z_shape)


def _share_out(
    x: Tensor, rows: int, columns: int, programs: int, **launch: int
) -> tuple[tuple[int, int, int], dict[str, int]]:
    """The grid, and what else kernels take."""
    B, _, D = x.shape
    blocks, strips = cdiv(D, launch["CHANNELS"]), cdiv(columns, launch["COLUMNS"])
    runs, run_rows = runs_of_rows(rows, programs // (B * blocks * strips))
    return (blocks, strips * runs, B), {"run_rows": run_rows, "WIDTH": D, **launch}


def runs_of_rows(rows: int, wanted: int) -> tuple[int, int]:
    """About `wanted` runs, as even as can be: how many, and the rows of each."""
    run_rows = cdiv(rows, min(rows, max(1, wanted)))
    return cdiv(rows, run_rows), run_rows
