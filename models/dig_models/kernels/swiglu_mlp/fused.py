"""A GEMM with SwiGLU in its epilogue, and Triton kernels around cuBLAS's GEMMs.

Without gradients, SwiGLU is the epilogue of this project's GEMM, and its input never reaches memory. With gradients,
only that input stays in memory: the backward pass recomputes the output of SwiGLU.
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
from dig_models.kernels.swiglu_mlp.linear_swiglu_kernel import INTERLEAVE, linear_swiglu_kernel
from dig_models.kernels.swiglu_mlp.swiglu_kernels import swiglu_gradient_kernel, swiglu_kernel

SOURCE = source_of(
    "triton", "dig_models::linear_swiglu, in training, fp32 and of few wide tokens dig_models::swiglu_linear"
)

LAUNCH = {"TOKENS": 8, "CHANNELS": 256, "num_warps": 4}
"""Tokens and hidden channels per program of the separate SwiGLU kernels, and warps."""
GEMM = {
    "few": {"TOKENS": 64, "CHANNELS": 64, "DEPTH": 64, "STAGES": 3, "num_warps": 4},
    "narrow": {"TOKENS": 128, "CHANNELS": 64, "DEPTH": 64, "STAGES": 3, "num_warps": 4},
    "wide": {"TOKENS": 128, "CHANNELS": 128, "DEPTH": 64, "STAGES": 3, "num_warps": 8},
}
"""Launch settings of the GEMM, for few narrow tokens, many narrow tokens, and wide tokens: tile of the output, channels
of the width per step, pipeline stages of the loads, warps."""
PROGRAMS = {"few": 264, "narrow": 264, "wide": 132}
"""Programs of the GEMM: two for each of the 132 multiprocessors of an H100, or one for wide tokens. A narrow tile has
few steps, so one program computes its epilogue while the other uses the tensor cores."""
NARROW = 512
"""Most channels of narrow tokens."""
GROUP, GROUP_OF_MANY, MANY_TOKENS = 8, 16, 8192
"""Tiles of tokens that share a tile of the weight, for few and for many tokens; tokens of all images that are many."""
ALIGNMENT_BYTES = 16
"""Alignment of the rows that the tensor memory accelerator (TMA) loads."""


# B batch, T tokens, D width, M hidden channels, N = 2 M
def swiglu_mlp(x_BTD: Tensor, gate_weight_ND: Tensor, down_weight_DM: Tensor, *, variant: str = "auto") -> Tensor:
    """Computes the MLP. Without gradients, SwiGLU takes its input in fp32, before any rounding to bf16."""
    tensors = x_BTD, gate_weight_ND, down_weight_DM
    if wants_gradient(*tensors) or not _are_tma_loadable(*tensors) or _are_few_and_wide(*tensors[:2], variant):
        y_BTD: Tensor = _swiglu_linear(F.linear(x_BTD, gate_weight_ND), down_weight_DM)
        return y_BTD
    return F.linear(_linear_swiglu(x_BTD, gate_weight_ND, variant), down_weight_DM)


def _are_tma_loadable(*tensors: Tensor) -> bool:
    """Returns whether TMA can load the tensors: two bytes per value, and rows of a multiple of 16 bytes."""
    return all(t.element_size() == 2 and t.shape[-1] * t.element_size() % ALIGNMENT_BYTES == 0 for t in tensors)


def _are_few_and_wide(x: Tensor, weight: Tensor, variant: str) -> bool:
    """Returns whether there are fewer tiles of wide tokens than programs, for which cuBLAS is faster."""
    return x.shape[-1] > NARROW and not is_many(_tiles(x, weight, "wide"), PROGRAMS["wide"], variant)


def _gemm_kind(x: Tensor, weight: Tensor, variant: str) -> str:
    """Returns the key of the launch settings in GEMM."""
    if x.shape[-1] > NARROW:
        return "wide"
    return "narrow" if is_many(_tiles(x, weight, "narrow"), PROGRAMS["narrow"], variant) else "few"


def _tiles(x: Tensor, weight: Tensor, kind: str) -> int:
    """Returns the number of output tiles of the GEMM."""
    tokens, hidden, gemm = x.numel() // x.shape[-1], weight.shape[0] // 2, GEMM[kind]
    return cdiv(tokens, gemm["TOKENS"]) * cdiv(hidden, gemm["CHANNELS"])


def _tma_aligned(tensor: Tensor) -> Tensor:
    """Returns the tensor contiguous, and aligned for TMA."""
    tensor = tensor.contiguous()
    return tensor.clone() if tensor.data_ptr() % ALIGNMENT_BYTES else tensor


@custom_op("dig_models::linear_swiglu")
def _linear_swiglu(x: Tensor, weight: Tensor, variant: str) -> Tensor:
    x, weight = _tma_aligned(x), _tma_aligned(weight)
    width, hidden = x.shape[-1], weight.shape[0] // 2
    tokens = x.numel() // width
    y = _empty_output(x, weight, variant)
    if not y.numel():
        return y
    kind = _gemm_kind(x, weight, variant)
    gemm, programs = GEMM[kind], min(PROGRAMS[kind], _tiles(x, weight, kind))
    tile_T, tile_M, depth = gemm["TOKENS"], gemm["CHANNELS"], gemm["DEPTH"]
    # The strides of a tensor descriptor need not be sorted.
    shape, strides = [hidden // INTERLEAVE, 2, INTERLEAVE, width], [INTERLEAVE * width, hidden * width, width, 1]
    linear_swiglu_kernel[(programs,)](
        TensorDescriptor(x, [tokens, width], [width, 1], [tile_T, depth]),
        TensorDescriptor(weight, shape, strides, [tile_M // INTERLEAVE, 2, INTERLEAVE, depth]),
        TensorDescriptor(y, [tokens, hidden], [hidden, 1], [tile_T, tile_M]),
        tokens,
        GROUP_OF_MANY if is_many(tokens, MANY_TOKENS, variant) else GROUP,
        HIDDEN=hidden,
        WIDTH=width,
        **gemm,
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
    """Counts the FLOPs of a GEMM: x (..., D) times (2 M, D), or h (..., 2 M) times (D, M)."""
    return 2 * prod(x_shape[:-1]) * prod(weight_shape)


@register_flop_formula(torch.ops.dig_models.swiglu_linear_backward)
def _backward_flops(
    gradient_shape: torch.Size, h_shape: torch.Size, weight_shape: torch.Size, *_: Any, **__: Any
) -> int:
    return 2 * _flops(h_shape, weight_shape)


def _sizes(h: Tensor) -> tuple[int, int]:
    """Returns the tokens of all images, and the hidden channels."""
    return h.numel() // h.shape[-1], h.shape[-1] // 2


def _grid(tokens: int, hidden: int) -> tuple[int]:
    return (cdiv(hidden, LAUNCH["CHANNELS"]) * cdiv(tokens, LAUNCH["TOKENS"]),)
