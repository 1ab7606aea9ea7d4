"""Triton kernels behind two custom operators, which torch.compile and CUDA graphs support."""

from typing import Any

import torch
from torch import Tensor

from dig_models.kernels.custom_op import custom_op
from dig_models.kernels.gate_residual_norm_modulate.gate_residual_norm_modulate_kernels import (
    gate_residual_norm_modulate_gradient_kernel,
    gate_residual_norm_modulate_kernel,
)
from dig_models.kernels.op import source_of
from dig_models.kernels.rowwise import token_runs, vectors

SOURCE = source_of("triton", "dig_models::gate_residual_norm_modulate")

LAUNCH = {
    "forward": {"programs": 528, "tile": 2048, "STAGES": 3, "num_warps": 4},
    "backward": {"programs": 264, "tile": 2048, "STAGES": 3, "num_warps": 4},
}
"""Programs and channels per tile (see kernels/rowwise.py), pipeline stages of the loads, warps per program."""


# B batch, T tokens, D width
def gate_residual_norm_modulate(
    x_BTD: Tensor, gate_BD: Tensor, y_BTD: Tensor, shift_BD: Tensor, scale_BD: Tensor
) -> tuple[Tensor, Tensor]:
    """Computes r and z in fp32. The results have the dtype of x."""
    r_BTD, z_BTD, _ = _forward(x_BTD, gate_BD, y_BTD, shift_BD, scale_BD)
    return r_BTD, z_BTD


@custom_op("dig_models::gate_residual_norm_modulate")
def _forward(x: Tensor, gate: Tensor, y: Tensor, shift: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns r, z, and the means and inverse standard deviations of r (2, B, T) for the backward pass."""
    x, gate, y, shift, scale = x.contiguous(), vectors(gate), y.contiguous(), vectors(shift), vectors(scale)
    r, z, statistics = _empty_outputs(x, gate, y, shift, scale)
    strides = gate.stride(0), shift.stride(0), scale.stride(0)
    grid, sizes = token_runs(x, **LAUNCH["forward"])
    gate_residual_norm_modulate_kernel[grid](x, gate, y, shift, scale, r, z, statistics, *strides, **sizes)
    return r, z, statistics


@_forward.register_fake
def _empty_outputs(x: Tensor, gate: Tensor, y: Tensor, shift: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r, z = (torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(2))
    return r, z, x.new_empty(2, *x.shape[:2], dtype=torch.float32)


@custom_op("dig_models::gate_residual_norm_modulate_backward")
def _backward(
    r_gradient: Tensor, z_gradient: Tensor, r: Tensor, gate: Tensor, y: Tensor, scale: Tensor, statistics: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the gradients of x and y, and those of gate, shift and scale as (B, 3, D)."""
    r_gradient, z_gradient = r_gradient.contiguous(), z_gradient.contiguous()
    gate, y, scale = vectors(gate), y.contiguous(), vectors(scale)
    x_gradient, y_gradient = torch.empty_like(r), torch.empty_like(y)
    (runs, images), sizes = token_runs(r, **LAUNCH["backward"])
    partials = statistics.new_empty(images, runs, 3, r.shape[-1])
    gate_residual_norm_modulate_gradient_kernel[runs, images](
        r_gradient,
        z_gradient,
        r,
        gate,
        y,
        scale,
        statistics,
        x_gradient,
        y_gradient,
        partials,
        gate.stride(0),
        scale.stride(0),
        **sizes,
    )
    return x_gradient, y_gradient, partials.sum(1).to(gate.dtype)


@_backward.register_fake
def _(
    r_gradient: Tensor, z_gradient: Tensor, r: Tensor, gate: Tensor, y: Tensor, scale: Tensor, statistics: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    B, _, D = r.shape
    y_gradient = torch.empty_like(y, memory_format=torch.contiguous_format)
    return torch.empty_like(r), y_gradient, gate.new_empty(B, 3, D)


def _save(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    _, gate, y, _, scale = inputs
    r, _, statistics = output
    ctx.save_for_backward(r, gate, y, scale, statistics)
    ctx.set_materialize_grads(False)


def _differentiate(
    ctx: Any, r_gradient: Tensor | None, z_gradient: Tensor | None, statistics_gradient: None
) -> tuple[Tensor, ...]:
    r = ctx.saved_tensors[0]
    r_gradient, z_gradient = (torch.zeros_like(r) if g is None else g for g in (r_gradient, z_gradient))
    x_gradient, y_gradient, sums = _backward(r_gradient, z_gradient, *ctx.saved_tensors)
    gate_gradient, shift_gradient, scale_gradient = sums.unbind(1)
    return x_gradient, gate_gradient, y_gradient, shift_gradient, scale_gradient


_forward.register_autograd(_differentiate, setup_context=_save)
