"""Triton kernels behind two custom operators, which torch.compile and CUDA graphs support."""

from typing import Any

import torch
from torch import Tensor

from dig_models.kernels.custom_op import custom_op
from dig_models.kernels.gate_residual.gate_residual_kernels import gate_residual_gradient_kernel, gate_residual_kernel
from dig_models.kernels.op import source_of
from dig_models.kernels.rowwise import token_runs, vectors

SOURCE = source_of("triton", "dig_models::gate_residual")

LAUNCH = {
    "forward": {"programs": 528, "tile": 4096, "STAGES": 3, "num_warps": 8},
    "backward": {"programs": 528, "tile": 2048, "STAGES": 3, "num_warps": 4},
}
"""Programs and channels per tile (see kernels/rowwise.py), pipeline stages of the loads, warps per program."""


# B batch, T tokens, D width
def gate_residual(x_BTD: Tensor, gate_BD: Tensor, y_BTD: Tensor) -> Tensor:
    """Computes r = x + gate * y in fp32. The result has the dtype of x."""
    r_BTD: Tensor = _forward(x_BTD, gate_BD, y_BTD)
    return r_BTD


@custom_op("dig_models::gate_residual")
def _forward(x: Tensor, gate: Tensor, y: Tensor) -> Tensor:
    x, gate, y = x.contiguous(), vectors(gate), y.contiguous()
    r = torch.empty_like(x)
    grid, sizes = token_runs(x, **LAUNCH["forward"])
    gate_residual_kernel[grid](x, gate, y, r, gate.stride(0), **sizes)
    return r


@_forward.register_fake
def _(x: Tensor, gate: Tensor, y: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@custom_op("dig_models::gate_residual_backward")
def _backward(r_gradient: Tensor, gate: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the gradients of y and gate. The gradient of x is that of r."""
    r_gradient, gate, y = r_gradient.contiguous(), vectors(gate), y.contiguous()
    y_gradient = torch.empty_like(y)
    (runs, images), sizes = token_runs(y, **LAUNCH["backward"])
    partials = y.new_empty(images, runs, 1, y.shape[-1], dtype=torch.float32)
    gate_residual_gradient_kernel[runs, images](r_gradient, gate, y, y_gradient, partials, gate.stride(0), **sizes)
    return y_gradient, partials.sum((1, 2)).to(gate.dtype)


@_backward.register_fake
def _(r_gradient: Tensor, gate: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(y, memory_format=torch.contiguous_format), gate.new_empty(gate.shape)


def _save(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[1:])


def _differentiate(ctx: Any, r_gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    y_gradient, gate_gradient = _backward(r_gradient, *ctx.saved_tensors)
    return r_gradient, gate_gradient, y_gradient


_forward.register_autograd(_differentiate, setup_context=_save)
