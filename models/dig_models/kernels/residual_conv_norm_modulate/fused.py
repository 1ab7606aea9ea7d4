"""One Triton kernel for both halves if tokens are narrow, the kernels of the two halves if they are wide.

The kernel is behind a custom operator, which torch.compile, CUDA graphs and FLOP counters support. The operators of the
two halves compute its gradients.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from dig_models.kernels.custom_op import custom_op
from dig_models.kernels.launch import cdiv
from dig_models.kernels.norm_modulate.fused import norm_modulate, norm_modulate_backward
from dig_models.kernels.op import is_many, source_of
from dig_models.kernels.residual_conv.fused import (
    check_grid,
    residual_conv,
    residual_conv_flops,
    residual_conv_gradients,
    runs_of_rows,
)
from dig_models.kernels.residual_conv_norm_modulate.residual_conv_norm_modulate_kernel import (
    residual_conv_norm_modulate_kernel,
)
from dig_models.kernels.rowwise import vectors

SOURCE = source_of(
    "triton", "dig_models::residual_conv_norm_modulate, of wide tokens dig_models::residual_conv, norm_modulate"
)

LAUNCH: dict[str, dict[str, Any]] = {
    "few": {
        "programs": 264,
        "COLUMNS": 4,
        "ABREAST": 2,
        "CHANNELS": 512,
        "TOKENS": 4,
        "STAGES": 1,
        "NORM_STAGES": 1,
        "num_warps": 4,
    },
    "many": {
        "programs": 528,
        "COLUMNS": 8,
        "ABREAST": 2,
        "CHANNELS": 128,
        "TOKENS": 32,
        "STAGES": 1,
        "NORM_STAGES": 1,
        "num_warps": 4,
        "maxnreg": 128,
    },
}
"""Launch settings for few and for many tokens: programs of all images together, or less for few rows; columns per
program and per thread in the walk, channels per block, tokens normed at a time, pipeline stages of the walk and of the
norm, warps.

For many tokens, an H100 with its 132 multiprocessors runs all programs at a time, with 128 registers per thread; a
thread walks with four channels of two columns, since all widths but U-DiG's are multiples of 128. For few tokens, two
programs per multiprocessor were fastest; a program has four columns, mostly of one row, and all channels, so that it
walks once.
"""

WIDEST, MANY_TOKENS = 512, 8192
"""Most channels for which one kernel is faster than two, and the tokens of all images from which they are many."""


# B batch, T tokens of a grid, D width
def residual_conv_norm_modulate(
    x_BTD: Tensor,
    gate_BD: Tensor,
    y_BTD: Tensor,
    weight_D133: Tensor,
    bias_D: Tensor,
    shift_BD: Tensor,
    scale_BD: Tensor,
    grid: tuple[int, int],
    order: int,
    *,
    variant: str = "auto",
) -> tuple[Tensor, Tensor]:
    """Computes z and n in fp32. The results have the dtype of x, and the norm reads z as stored."""
    check_grid(x_BTD, grid)
    if x_BTD.shape[2] > WIDEST:
        z_BTD = residual_conv(x_BTD, gate_BD, y_BTD, weight_D133, bias_D, grid, order)
        return z_BTD, norm_modulate(z_BTD, shift_BD, scale_BD)
    z_BTD, n_BTD, _ = _forward(x_BTD, gate_BD, y_BTD, weight_D133, bias_D, shift_BD, scale_BD, *grid, order, variant)
    return z_BTD, n_BTD


@custom_op("dig_models::residual_conv_norm_modulate")
def _forward(
    x: Tensor,
    gate: Tensor,
    y: Tensor,
    weight: Tensor,
    bias: Tensor,
    shift: Tensor,
    scale: Tensor,
    rows: int,
    columns: int,
    order: int,
    variant: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns z, n, and the means and inverse standard deviations of z (2, B, T) for the backward pass."""
    x, y, weight = x.contiguous(), y.contiguous(), weight.contiguous()
    gate, shift, scale = vectors(gate), vectors(shift), vectors(scale)
    z, n, statistics = _empty_outputs(x)
    strides = gate.stride(0), shift.stride(0), scale.stride(0)
    size = "many" if is_many(x.shape[0] * x.shape[1], MANY_TOKENS, variant) else "few"
    grid, sizes = _share_out(x, rows, columns, **LAUNCH[size])
    residual_conv_norm_modulate_kernel[grid](
        x, gate, y, weight, bias, shift, scale, z, n, statistics, *strides, rows, columns, order, **sizes
    )
    return z, n, statistics


@_forward.register_fake
def _empty_outputs(x: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    z, n = (torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(2))
    return z, n, x.new_empty(2, *x.shape[:2], dtype=torch.float32)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, gate, y, weight, _, _, scale, *scan, _ = inputs
    z, _, statistics = output
    ctx.save_for_backward(x, gate, y, weight, z, scale, statistics)
    ctx.scan = scan
    ctx.set_materialize_grads(False)


def _differentiate(
    ctx: Any, z_gradient: Tensor | None, n_gradient: Tensor | None, statistics_gradient: None
) -> tuple[Tensor | None, ...]:
    *convolved, z, scale, statistics = ctx.saved_tensors
    shift_gradient, scale_gradient = None, None
    if n_gradient is not None:
        z_gradient, sums = norm_modulate_backward(n_gradient, z, scale, statistics, z_gradient)
        shift_gradient, scale_gradient = sums.unbind(1)
    assert z_gradient is not None
    gradients = residual_conv_gradients(z_gradient, *convolved, *ctx.scan)
    return *gradients, shift_gradient, scale_gradient, None, None, None, None


_forward.register_autograd(_differentiate, setup_context=_save)


@register_flop_formula(torch.ops.dig_models.residual_conv_norm_modulate)
def _forward_flops(x_shape: torch.Size, *_: Any, **__: Any) -> int:
    """Counts the convolution only, as elementwise work is not counted."""
    return residual_conv_flops(x_shape)


def _share_out(
    x: Tensor, rows: int, columns: int, programs: int, **launch: int
) -> tuple[tuple[int, int], dict[str, int]]:
    """Returns the launch grid and the keyword arguments of the kernel."""
    B, _, D = x.shape
    strips = cdiv(columns, launch["COLUMNS"])
    runs, run_rows = runs_of_rows(rows, programs // (B * strips))
    return (strips * runs, B), {"run_rows": run_rows, "WIDTH": D, **launch}
