"""Fused SwiGLU MLP in Triton's interpreter: the GEMM with SwiGLU in its epilogue, and the operators."""

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

pytest.importorskip("triton", reason="needs Triton")
import triton_interpreter
from dig_models.kernels.swiglu_mlp import SWIGLU_MLP, fused
from elementwise_cases import poisoned_memory

pytestmark = pytest.mark.skipif(not triton_interpreter.IS_ON, reason="needs Triton's interpreter: TRITON_INTERPRET=1")


def tensors(tokens: int, width: int, hidden: int, dtype: torch.dtype = torch.float32, batch: int = 1) -> list[Tensor]:
    """Returns x and the weights of both projections, seeded."""
    generator = torch.Generator().manual_seed(7)
    shapes = (batch, tokens, width), (2 * hidden, width), (width, hidden)
    x, gate_weight, down_weight = (torch.randn(shape, generator=generator) for shape in shapes)
    return [tensor.to(dtype) for tensor in (x, gate_weight * width**-0.5, down_weight * hidden**-0.5)]


@pytest.mark.parametrize("fewest", [1, 10**9])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("tokens", "width", "hidden", "batch"),
    [(1, 64, 256, 1), (100, 64, 128, 3), (130, 40, 104, 1), (300, 72, 392, 1), (130, 520, 136, 1)],
)
def test_the_gemm_with_swiglu_in_its_epilogue(
    tokens: int, width: int, hidden: int, batch: int, dtype: torch.dtype, fewest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused, "PROGRAMS", {"few": 1, "narrow": fewest, "wide": 1})
    arguments = tensors(tokens, width, hidden, dtype, batch)
    with poisoned_memory(), torch.no_grad():
        found = SWIGLU_MLP["fused"](*arguments)
    expected = SWIGLU_MLP["reference"](*(tensor.float() for tensor in arguments))
    assert found.dtype == dtype
    assert (found.float() - expected).norm() < 1e-2 * expected.norm()


def test_rows_that_are_not_a_multiple_of_16_bytes_run_the_separate_kernels() -> None:
    arguments = tensors(20, 36, 50, torch.bfloat16)
    expected = SWIGLU_MLP["reference"](*(tensor.float() for tensor in arguments))
    assert (SWIGLU_MLP["fused"](*arguments).float() - expected).norm() < 1e-2 * expected.norm()


@pytest.mark.parametrize("number", [0, 1])
def test_unaligned_tensors_give_the_same_result(number: int) -> None:
    arguments = tensors(9, 64, 64, torch.bfloat16)
    expected = SWIGLU_MLP["fused"](*arguments)
    shape = arguments[number].shape
    elsewhere = torch.empty(arguments[number].numel() + 1, dtype=torch.bfloat16)[1:].view(shape)
    arguments[number] = elsewhere.copy_(arguments[number])
    assert torch.equal(SWIGLU_MLP["fused"](*arguments), expected)


def test_no_tokens_give_no_tokens() -> None:
    assert SWIGLU_MLP["fused"](*tensors(0, 64, 64, torch.bfloat16)).shape == (1, 0, 64)


def test_operators_are_well_formed() -> None:
    assert SWIGLU_MLP["fused"]
    x, gate_weight, down_weight = tensors(6, 32, 64)
    h = (x @ gate_weight.T).requires_grad_()
    torch.library.opcheck(torch.ops.dig_models.swiglu_linear.default, [h, down_weight.requires_grad_()])
    half = [x.bfloat16(), gate_weight.bfloat16()]
    torch.library.opcheck(torch.ops.dig_models.linear_swiglu.default, [*half, "many"])


def test_flops_are_those_of_the_gemms() -> None:
    tokens, width, hidden = 6, 32, 64
    gemm = 2 * tokens * width * hidden
    arguments = tensors(tokens, width, hidden, torch.bfloat16)
    with FlopCounterMode(display=False) as forward:
        SWIGLU_MLP["fused"](*arguments)
    with FlopCounterMode(display=False) as training:
        SWIGLU_MLP["fused"](*(tensor.requires_grad_() for tensor in arguments)).sum().backward()
    assert forward.get_total_flops() == 3 * gemm
    assert training.get_total_flops() == 9 * gemm


def test_only_the_input_of_swiglu_is_kept_for_the_backward_pass() -> None:
    arguments = [tensor.requires_grad_() for tensor in tensors(6, 32, 64)]
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        SWIGLU_MLP["fused"](*arguments)
    weights = {argument.data_ptr() for argument in arguments[1:]}
    assert sorted(tensor.numel() for tensor in kept if tensor.data_ptr() not in weights) == [6 * 32, 6 * 128]
