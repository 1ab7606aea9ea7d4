"""Triton kernels behind two operators, which torch.compile and CUDA graphs take as they are."""

from typing import Any

import torch
import triton
from torch import Tensor

from dig_models.kernels.op import source_of
from dig_models.kernels.swiglu.swiglu_kernels import swiglu_gradient_kernel, swiglu_kernel

SOURCE = source_of("triton", "dig_models::swiglu")

LAUNCH = {"TOKENS": 8, "CHANNELS": 256, "num_warps": 4}
"""Tokens and hidden channels of a program, and its warps. SwiGLU's hidden channels are a multiple of 256."""


# B batch, T tokens, M hidden channels, N = 2 M
def swiglu(h_BTN: Tensor) -> Tensor:
    """As the package says. Everything past the loads is fp32; the result has h's dtype."""
    y_BTM: Tensor = _forward(h_BTN)
    return y_BTM


@torch.library.custom_op("dig_models::swiglu", mutates_args=())
def _forward(h: Tensor) -> Tensor:
    y = _empty_output(h)
    swiglu_kernel[_grid(y)](h.contiguous(), y, *_sizes(y), **LAUNCH)
    return y


@_forward.register_fake
def _empty_output(h: Tensor) -> Tensor:
    return h.new_empty(*h.shape[:-1], h.shape[-1] // 2)


@torch.library.custom_op("dig_models::swiglu_backward", mutates_args=())
def _backward(y_gradient: Tensor, h: Tensor) -> Tensor:
    h_gradient = h.new_empty(h.shape)
    swiglu_gradient_kernel[_grid(y_gradient)](
        y_gradient.contiguous(), h.contiguous(), h_gradient, *_sizes(y_gradient), **LAUNCH
    )
    return h_gradient


@_backward.register_fake
def _(y_gradient: Tensor, h: Tensor) -> Tensor:
    return h.new_empty(h.shape)


def _save(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _differentiate(ctx: Any, y_gradient: Tensor) -> Tensor:
    h_gradient: Tensor = _backward(y_gradient, *ctx.saved_tensors)
    return h_gradient


_forward.register_autograd(_differentiate, setup_context=_save)


def _sizes(y: Tensor) -> tuple[int, int]:
    """Tokens of all images, hidden channels."""
    return y.numel() // y.shape[-1], y.shape[-1]


def _grid(y: Tensor) -> tuple[int]:
    tokens, hidden = _sizes(y)
    return (triton.cdiv(hidden, LAUNCH["CHANNELS"]) * triton.cdiv(tokens, LAUNCH["TOKENS"]),)
