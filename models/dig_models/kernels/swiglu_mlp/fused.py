"""Triton kernels around cuBLAS's products.

Without gradients, SwiGLU is the epilogue of a matrix product of ours, and its input never reaches memory. With
gradients that input is what stays in memory, alone: SwiGLU's output is made again in the backward pass.
"""

from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula
from triton.tools.tensor_descriptor import TensorDescriptor

from dig_models.kernels.custom_op import custom_op, wants_gradient
from dig_models.kernels.launch import cdiv
from dig_models.kernels.op import is_many, source_of
from dig_models.kernels.swiglu_mlp.linear_swiglu_kernel import TURN, linear_swiglu_kernel
from dig_models.kernels.swiglu_mlp.swiglu_kernels import swiglu_gradient_kernel, swiglu_kernel

SOURCE = source_of(
    "triton", "dig_models::linear_swiglu, in training, fp32 and of few wide tokens dig_models::swiglu_linear"
)

LAUNCH = {"TOKENS": 8, "CHANNELS": 256, "num_warps": 4}
"""Tokens and hidden channels of a program of SwiGLU by itself, and its warps."""
PRODUCT = {
    "few": {"TOKENS": 64, "CHANNELS": 64, "DEPTH": 64, "STAGES": 3, "num_warps": 4},
    "narrow": {"TOKENS": 128, "CHANNELS": 64, "DEPTH": 64, "STAGES": 3, "num_warps": 4},
    "wide": {"TOKENS": 128, "CHANNELS": 128, "DEPTH": 64, "STAGES": 3, "num_warps": 8},
}
"""Of the product with SwiGLU in its epilogue, for few narrow tokens, many, and wide ones: a tile of the output,
channels of the width at a time, stages of its loads, warps."""
PROGRAMS = {"few": 264, "narrow": 264, "wide": 132}
"""Two a multiprocessor of an H100, which has 132, of wide tokens one: the steps of a narrow tile are few, and one
program's epilogue leaves the other the tensor cores."""
NARROW = 512
"""Channels of the width up to which tokens are narrow."""
GROUP, GROUP_OF_MANY, MANY_TOKENS = 8, 16, 8192
"""Tiles of tokens that share a tile of the weight."""
ALIGNMENT_BYTES = 16
"""Of rows that the tensor memory accelerator fetches."""


# B batch, T tokens, D width, M hidden channels, N = 2 M
def swiglu_mlp(x_BTD: Tensor, gate_weight_ND: Tensor, down_weight_DM: Tensor, *, variant: str = "auto") -> Tensor:
    """As the package says. Without gradients, SwiGLU sees its input in fp32, and not what bf16 leaves of it."""
    tensors = x_BTD, gate_weight_ND, down_weight_DM
    if wants_gradient(*tensors) or not _are_fetched_whole(*tensors) or _are_few_and_wide(*tensors[:2], variant):
        y_BTD: Tensor = _swiglu_linear(F.linear(x_BTD, gate_weight_ND), down_weight_DM)
        return y_BTD
    return F.linear(_linear_swiglu(x_BTD, gate_weight_ND, variant), down_weight_DM)


def _are_fetched_whole(*tensors: Tensor) -> bool:
    """Two bytes a number, and rows of whole 16 bytes."""
    return all(t.element_size() == 2 and t.shape[-1] * t.element_size() % ALIGNMENT_BYTES == 0 for t in tensors)


def _are_few_and_wide(x: Tensor, weight: Tensor, variant: str) -> bool:
    """Without a tile of the product for every program: cuBLAS is better at so little."""
    return x.shape[-1] > NARROW and not is_many(_tiles(x, weight, "wide"), PROGRAMS["wide"], variant)


def _product(x: Tensor, weight: Tensor, variant: str) -> str:
    """Which of PRODUCT."""
    if x.shape[-1] > NARROW:
        return "wide"
    return "narrow" if is_many(_tiles(x, weight, "narrow"), PROGRAMS["narrow"], variant) else "few"


def _tiles(x: Tensor, weight: Tensor, kind: str) -> int:
    """Of the product's output."""
    tokens, hidden, product = x.numel() // x.shape[-1], weight.shape[0] // 2, PRODUCT[kind]
    return cdiv(tokens, product["TOKENS"]) * cdiv(hidden, product["CHANNELS"])


def _in_whole_rows(tensor: Tensor) -> Tensor:
    """Contiguous, and begun where the tensor memory accelerator can begin."""
    tensor = tensor.contiguous()
    return tensor.clone() if tensor.data_ptr() % ALIGNMENT_BYTES else tensor


@custom_op("dig_models::linear_swiglu")
def _linear_swiglu(x: Tensor, weight: Tensor, variant: str) -> Tensor:
    x, weight = _in_whole_rows(x), _in_whole_rows(weight)
    width, hidden = x.shape[-1], weight.shape[0] // 2
    tokens = x.numel() // width
    y = _empty_output(x, weight, variant)
    if not y.numel():
        return y
    kind = _product(x, weight, variant)
    product, programs = PRODUCT[kind], min(PROGRAMS[kind], _tiles(x, weight, kind))
    tile_T, tile_M, depth = product["TOKENS"], product["CHANNELS"], product["DEPTH"]
    # The strides are in no order, and need be in none.
    turns, turn_strides = [hidden // TURN, 2, TURN, width], [TURN * width, hidden * width, width, 1]
    linear_swiglu_kernel[(programs,)](
        TensorDescriptor(x, [tokens, width], [width, 1], [tile_T, depth]),
        TensorDescriptor(weight, turns, turn_strides, [tile_M // TURN, 2, TURN, depth]),
        TensorDescriptor(y, [tokens, hidden], [hidden, 1], [tile_T, tile_M]),
        tokens,
        GROUP_OF_MANY if is_many(tokens, MANY_TOKENS, variant) else GROUP,
        HIDDEN=hidden,
        WIDTH=width,
        **product,
    )
    return y


@_linear_swiglu.register_fake
def _empty_output(x: Tensor, weight: Tensor, variant: str) -> Tensor:
    return x.new_empty(*x.shape[:-1], len(weight) // 2)


@custom_op("dig_models::swiglu_linear")
def _swiglu_linear(h: Tensor, weight: Tensor) -> Tensor:
    tokens, hidden = _sizes(h)
    y = h.new_empty(*h.shape[:-1], hidden)
    swiglu_kernel[_grid(tokens, hidden)](h.contiguous(), y, tokens, hidden, **LAUNCH)
    return F.linear(y, weight)


@_swiglu_linear.register_fake
def _(h: Tensor, weight: Tensor) -> Tensor:
    return h.new_empty(*h.shape[:-1], len(weight))


@custom_op("dig_models::swiglu_linear_backward")
def _backward(gradient: Tensor, h: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    tokens, hidden = _sizes(h)
    gradient = gradient.reshape(tokens, -1)
    y_and_its_gradient = gradient @ weight
    h_gradient = h.new_empty(h.shape)
    swiglu_gradient_kernel[_grid(tokens, hidden)](
        y_and_its_gradient, h.contiguous(), h_gradient, y_and_its_gradient, tokens, hidden, **LAUNCH
    )
    return h_gradient, gradient.T @ y_and_its_gradient


@_backward.register_fake
def _(gradient: Tensor, h: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    return h.new_empty(h.shape), weight.new_empty(weight.shape)


def _save(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
    gradients: tuple[Tensor, Tensor] = _backward(gradient, *ctx.saved_tensors)
    return gradients


_swiglu_linear.register_autograd(_differentiate, setup_context=_save)


@register_flop_formula([torch.ops.dig_models.linear_swiglu, torch.ops.dig_models.swiglu_linear])
def _flops(x_shape: torch.Size, weight_shape: torch.Size, *_: Any, **__: Any) -> int:
    """The product's: of x (..., D) and (2 M, D), or of h (..., 2 M) and (D, M)."""
    return 2 * prod(x_shape[:-1]) * prod(weight_shape)


@register_flop_formula(torch.ops.dig_models.swiglu_linear_backward)
def _backward_flops(
    gradient_shape: torch.Size, h_shape: torch.Size, weight_shape: torch.Size, *_: Any, **__: Any
) -> int:
    return 2 * _flops(h_shape, weight_shape)


def _sizes(h: Tensor) -> tuple[int, int]:
    """Tokens of all images, hidden channels."""
    return h.numel() // h.shape[-1], h.shape[-1] // 2


def _grid(tokens: int, hidden: int) -> tuple[int]:
    return (cdiv(hidden, LAUNCH["CHANNELS"]) * cdiv(tokens, LAUNCH["TOKENS"]),)
