"""Triton kernels behind two custom operators, which torch.compile, CUDA graphs and FLOP counters support."""

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
"""Programs of all images together, or less for few rows; columns per program and per thread, channels, pipeline stages
of the loads, warps per program. An H100 with its 132 multiprocessors runs two thirds (forward) and a third (backward)
of the programs at a time.

A thread computes four channels of a token, with nine weights for each and, in the backward pass, nine gradients. Its
loads are 8 bytes wide. With 16 bytes, the copies of the backward pass would bypass the L1 cache, which should serve two
of the three shifted views of a row.
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
    """Computes z in fp32. The result has the dtype of x."""
    check_grid(x_BTD, grid)
    z_BTD: Tensor = _forward(x_BTD, gate_BD, y_BTD, weight_D133, bias_D, *grid, order)
    return z_BTD


def check_grid(x_BTD: Tensor, grid: tuple[int, int]) -> None:
    """Raises ValueError if the grid has more or fewer tokens than x."""
    rows, columns = grid
    if rows * columns != x_BTD.shape[1]:
        raise ValueError(f"{x_BTD.shape[1]} tokens are not a grid of {rows} x {columns}")


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
    """Returns the gradients of x and y, and those of weight, bias and gate per image, (B, 11, D) in fp32."""
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
    """Returns the gradients of x, gate, y, weight and bias."""
    x_gradient, y_gradient, sums = _backward(z_gradient, x, gate, y, weight, rows, columns, order)
    taps_and_bias = sums[:, :-1].sum(0).to(weight.dtype)
    weight_gradient = taps_and_bias[:-1].T.reshape(weight.shape)
    return x_gradient, sums[:, -1], y_gradient, weight_gradient, taps_and_bias[-1]


_forward.register_autograd(_differentiate, setup_context=_save)


def residual_conv_flops(x_shape: torch.Size) -> int:
    """Counts the FLOPs of the convolution: two per weight, channel and token."""
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
    """Returns the launch grid and the keyword arguments of the kernel."""
    B, _, D = x.shape
    blocks, strips = cdiv(D, launch["CHANNELS"]), cdiv(columns, launch["COLUMNS"])
    runs, run_rows = runs_of_rows(rows, programs // (B * blocks * strips))
    return (blocks, strips * runs, B), {"run_rows": run_rows, "WIDTH": D, **launch}


def runs_of_rows(rows: int, wanted: int) -> tuple[int, int]:
    """Divides rows into about `wanted` runs of equal length. Returns their number, and the rows of each."""
    run_rows = cdiv(rows, min(rows, max(1, wanted)))
    return cdiv(rows, run_rows), run_rows
