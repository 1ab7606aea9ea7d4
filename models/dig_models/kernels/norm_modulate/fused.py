"""Triton kernels behind two custom operators, which torch.compile and CUDA graphs support."""

from typing import Any

import torch
from torch import Tensor

from dig_models.kernels.custom_op import custom_op
from dig_models.kernels.norm_modulate.norm_modulate_kernels import norm_modulate_gradient_kernel, norm_modulate_kernel
from dig_models.kernels.op import source_of
from dig_models.kernels.rowwise import token_runs, vectors

SOURCE = source_of("triton", "dig_models::norm_modulate")

LAUNCH = {
    "forward": {"programs": 528, "tile": 4096, "STAGES": 3, "num_warps": 8},
    "backward": {"programs": 396, "tile": 2048, "STAGES": 3, "num_warps": 4},
}
"""Programs and channels per tile (see kernels/rowwise.py), pipeline stages of the loads, warps per program."""


# B batch, T tokens, D width
def norm_modulate(x_BTD: Tensor, shift_BD: Tensor, scale_BD: Tensor) -> Tensor:
    """Computes the modulated norm in fp32. The result has the dtype of x."""
    y_BTD: Tensor = _forward(x_BTD, shift_BD, scale_BD)[0]
    return y_BTD


@custom_op("dig_models::norm_modulate")
def _forward(x: Tensor, shift: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Returns y, and the means and inverse standard deviations (2, B, T) for the backward pass."""
    x, shift, scale = x.contiguous(), vectors(shift), vectors(scale)
    y, statistics = _empty_outputs(x, shift, scale)
    grid, sizes = token_runs(x, **LAUNCH["forward"])
    norm_modulate_kernel[grid](x, shift, scale, y, statistics, shift.stride(0), scale.stride(0), **sizes)
    return y, statistics


@_forward.register_fake
def _empty_outputs(x: Tensor, shift: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    statistics = x.new_empty(2, *x.shape[:2], dtype=torch.float32)
    return torch.empty_like(x, memory_format=torch.contiguous_format), statistics


@custom_op("dig_models::norm_modulate_backward")
def norm_modulate_backward(
    y_gradient: Tensor, x: Tensor, scale: Tensor, statistics: Tensor, other_gradient: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Returns the gradient of x, plus `other_gradient` if given, and those of shift and scale as (B, 2, D)."""
    y_gradient, x, scale = y_gradient.contiguous(), x.contiguous(), vectors(scale)
    other_gradient = None if other_gradient is None else other_gradient.contiguous()
    x_gradient = torch.empty_like(x)
    (runs, images), sizes = token_runs(x, **LAUNCH["backward"])
    partials = statistics.new_empty(images, runs, 2, x.shape[-1])
    norm_modulate_gradient_kernel[runs, images](
        y_gradient, x, scale, statistics, other_gradient, x_gradient, partials, scale.stride(0), **sizes
    )
    return x_gradient, partials.sum(1).to(scale.dtype)


@norm_modulate_backward.register_fake
def _(
    y_gradient: Tensor, x: Tensor, scale: Tensor, statistics: Tensor, other_gradient: Tensor | None
) -> tuple[Tensor, Tensor]:
    B, _, D = x.shape
    return torch.empty_like(x, memory_format=torch.contiguous_format), scale.new_empty(B, 2, D)


def _save(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    x, _, scale = inputs
    ctx.save_for_backward(x, scale, output[1])
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, y_gradient: Tensor, statistics_gradient: None) -> tuple[Tensor, Tensor, Tensor]:
    x, scale, statistics = ctx.saved_tensors
    x_gradient, sums = norm_modulate_backward(y_gradient, x, scale, statistics, None)
    shift_gradient, scale_gradient = sums.unbind(1)
    return x_gradient, shift_gradient, scale_gradient


_forward.register_autograd(_differentiate, setup_context=_save)
